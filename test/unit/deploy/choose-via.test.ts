import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
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
  image: undefined,
  served: ALL,
  noFiles: undefined,
};

/** As a registry may have it: an artifact of one layer. */
const SINGLE = {
  reference: parseImageReference("h.io/team/hello:v1"),
  source: "registry",
  proxyRefusal: "it needs two layers; there are 1",
} as const;

describe("chooseVia", () => {
  it.each<[string, Partial<ViaQuestion>, Via]>([
    ["what Istio recommends", {}, "trafficextension"],
    ["the next when that is not served", { served: new Set(["wasmplugin", "envoyfilter"]) }, "wasmplugin"],
    ["what can hold plain text", { config: "text" }, "envoyfilter"],
    ["what can hold a JSON list", { config: "[1]" }, "envoyfilter"],
    ["plugins for a JSON object", { config: '{"a":1}' }, "trafficextension"],
    ["what can run an image Istio cannot read", { image: SINGLE }, "envoyfilter"],
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

  it("names the rule of Istio that refuses an image, and how to come by one that Istio reads", () => {
    const refused = { ...PLAIN, image: SINGLE };
    const why = "needs an image Istio reads, and it refuses this one: it needs two layers; there are 1";
    expect(chooseVia(refused).reason).toBe(`TrafficExtension ${why}; WasmPlugin ${why}`);
    expect(chooseVia({ ...refused, requested: "envoyfilter" }).via).toBe("envoyfilter");
    const says = (message: string, hint: string): Error =>
      expect.objectContaining({ message, hint: expect.stringContaining(hint) as string }) as Error;
    const pinned = { ...SINGLE, reference: { ...SINGLE.reference, digest: digestOf("manifest") } };
    expect(() => chooseVia({ ...refused, image: pinned, requested: "wasmplugin" })).toThrow(
      says(`WasmPlugin ${why}`, '"wasme push h.io/team/hello:v1 --format oci"'),
    );
    const stored = { ...SINGLE, source: "store" } as const;
    expect(() => chooseVia({ ...refused, image: stored, requested: "trafficextension" })).toThrow(
      says(`TrafficExtension ${why}`, '"wasme convert h.io/team/hello:v1 NAME --format oci"'),
    );
  });

  it.each<[Partial<ViaQuestion>, string, string]>([
    [{ requested: "wasmplugin", config: "text" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", phase: "authn" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", pullSecret: "regcred" }, "usage", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", image: SINGLE }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "wasmplugin", image: SINGLE }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "envoyfilter", noFiles: "no hostPath here" }, "incompatible", "VIA_UNSUITABLE"],
    [{ requested: "trafficextension", served: new Set(["envoyfilter"]) }, "incompatible", "KUBE_KIND_NOT_SERVED"],
    [{ config: "text", phase: "authn" }, "incompatible", "VIA_UNSUITABLE"],
    [{ served: new Set() }, "incompatible", "ISTIO_NOT_INSTALLED"],
    [{ served: undefined, phase: "authn" }, "usage", "VIA_UNSUITABLE"],
  ])("refuses %j as %s", (more, kind, code) => {
    expect(() => ask(more)).toThrow(expect.objectContaining({ kind, code }) as Error);
  });
});
