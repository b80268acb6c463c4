import { describe, expect, it } from "vitest";
import { statusText } from "../../../src/cli/render/result/status.ts";
import type { FilterStatus } from "../../../src/deploy/status-step.ts";
import { failed, ok, unseen, waiting } from "../../../src/deploy/status-step.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { createStyle } from "../../../src/platform/terminal.ts";

const FIX =
  "wasme deploy istio registry.example.com/team/hello:v1 --id hello -n a-namespace-with-a-long-name -l app=web";
const FILTER: FilterStatus = {
  id: "a-filter-with-a-rather-long-id-for-a-table",
  namespace: "a-namespace-with-a-long-name",
  workload: "statefulset/a-workload-with-quite-a-long-name",
  object: "WasmPlugin/web-hello",
  via: "wasmplugin",
  delivery: "image-volume",
  image: "registry.example.com/team/hello:v1",
  moduleDigest: digestOf("module"),
  filterDeployment: undefined,
  state: "off",
  steps: [
    ok("workload", "it is there"),
    unseen("list", { message: "not allowed to get configmaps: cannot tell", fix: "kubectl auth can-i get configmaps" }),
    failed("nodes", "node-1: no space left on device; ".repeat(6), FIX),
    waiting("rollout", "1 of 2 pods updated", "kubectl rollout status"),
  ],
  nodes: [
    { node: "node-1.a-long-name.internal.example.com", state: "failed", message: "no space left on device ".repeat(5) },
  ],
  proxies: [],
};
const render = (filters: readonly FilterStatus[], namespace: string | undefined, detailed: boolean): string =>
  statusText({ namespace, filters, notes: [] }, { detailed, style: createStyle(false), width: 80 });

describe("the text of wasme status", () => {
  it.each([
    ["a namespace", "a-namespace-with-a-long-name", false],
    ["all namespaces", undefined, false],
    ["one filter, every step", undefined, true],
  ])("fits into 80 columns but for what is to be copied: %s", (_title, namespace, detailed) => {
    const lines = render([FILTER], namespace, detailed).split("\n");
    expect(lines.filter((line) => line.length > 80 && !line.includes("fix: "))).toEqual([]);
    expect(lines.filter((line) => line.includes(FIX))).toHaveLength(1);
  });

  it("tells a fix for the first trouble alone, and for what may not be seen", () => {
    const text = render([FILTER], undefined, true);
    expect(text).toContain("fix: kubectl auth can-i get configmaps");
    expect(text).not.toContain("kubectl rollout status");
    expect(text).toContain("off: nodes");
  });

  it("says that there is none", () => {
    expect(render([], "shop", false)).toBe("no filter is deployed in namespace shop");
    expect(render([], undefined, false)).toBe("no filter is deployed");
  });
});
