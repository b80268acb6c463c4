import { describe, expect, it } from "vitest";
import { chooseVia, type ViaQuestion } from "../../../src/deploy/choose-via.ts";
import type { Via } from "../../../src/deploy/request.ts";

const ALL: ReadonlySet<Via> = new Set(["envoyfilter", "wasmplugin", "trafficextension"]);

function ask(more: Partial<ViaQuestion> = {}): Via {
  return chooseVia({ ...PLAIN, ...more }).via;
}

const PLAIN: ViaQuestion = {
  requested: "auto",
  config: undefined,
  phase: undefined,
  pullSecret: undefined,
  patchContext: "inbound",
  format: "oci",
  served: ALL,
  noFiles: undefined,
};

describe("chooseVia", () => {
  it.each<[string, Partial<ViaQuestion>, Via]>([
    ["what Istio recommends", {}, "trafficextension"],
    ["the next when that is not served", { served: new Set(["wasmplugin", "envoyfilter"]) }, "wasmplugin"],
    ["what can hold plain text", { config: "text" }, "envoyfilter"],
    ["what can hold a JSON list", { config: "[1]" }, "envoyfilter"],
    ["plugins for a JSON object", { config: '{"a":1}' }, "trafficextension"],
    ["what can run an image Istio cannot read", { format: "cncf" }, "envoyfilter"],
    ["plugins where files cannot go", { noFiles: "no hostPath here" }, "trafficextension"],
    ["files without a cluster", { served: undefined }, "envoyfilter"],
  ])("takes %s", (_, more, via) => {
    expect(ask(more)).toBe(via);
  });

  it("says why it passed others by", () => {
    const { reason } = chooseVia({ ...PLAIN, config: "text", served: new Set(["wasmplugin", "envoyfilter"]) });
    expect(reason).toBe(
      "TrafficExtension is not served by this cluster; WasmPlugin takes a JSON object as --config, nothing else",
    );
  });

  it.each<[Partial<ViaQuestion>, string, string]>([
    [{ requested: "wasmplugin", config: "text" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", phase: "authn" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", pullSecret: "regcred" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", format: "cncf" }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", noFiles: "no hostPath here" }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", served: new Set(["envoyfilter"]) }, "incompatible", "KUBE_KIND_NOT_SERVED"],
    [{ config: "text", phase: "authn" }, "incompatible", "VIA_UNSUITABLE"],
    [{ served: new Set() }, "incompatible", "ISTIO_NOT_INSTALLED"],
    [{ served: undefined, phase: "authn" }, "usage", "VIA_UNSUITABLE"],
  ])("refuses %j as %s", (more, kind, code) => {
    expect(() => ask(more)).toThrow(expect.objectContaining({ kind, code }) as Error);
  });
});
