import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const home = makeTempDir("wasme-manifests-");
const golden = (name: string): string => readFileSync(join(import.meta.dirname, "../golden/manifests", name), "utf8");

/** What a command prints; its words are separated by white space. */
async function print(line: string): Promise<string> {
  const { code, stdout, stderr } = await runCli(line.trim().split(/\s+/u), { home });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

describe("wasme cache manifests and wasme operator manifests", () => {
  it.each([
    { line: "cache manifests", file: "cache.yaml" },
    { line: "cache manifests --files", file: "cache-files.yaml" },
    { line: "operator manifests", file: "operator.yaml" },
    {
      line: "operator manifests --watch-namespace default --crds none",
      file: "operator-namespaced.yaml",
    },
  ])("$line print what the package has as $file", async ({ line, file }) => {
    expect(await print(line)).toBe(golden(file));
    expect(readFileSync(join(import.meta.dirname, "../../dist/manifests", file), "utf8")).toBe(golden(file));
  });

  it("print one List as JSON, and names", async () => {
    const list = JSON.parse(await print("cache manifests -o json")) as { kind: string; items: unknown[] };
    expect([list.kind, list.items.length]).toEqual(["List", 7]);
    expect(await print("operator manifests --crds only -o name")).toBe(
      "customresourcedefinition/filterdeployments.wasme.io\n" +
        "clusterrole/wasme-filterdeployments-view\nclusterrole/wasme-filterdeployments-edit\n",
    );
  });

  it("put in what was asked for", async () => {
    const cache = await print(`
      cache manifests -n mesh --name nodes --kubernetes-version v1.32.4-eks-1
      --image registry.example:5000/wasme@sha256:${"ab".repeat(32)} --image-pull-policy Always
      --toleration dedicated=mesh:NoSchedule --toleration * --auth-secret creds
    `);
    expect(cache).toContain("trafficDistribution: PreferClose\n");
    expect(cache).toContain("- --config-map=nodes\n");
    expect(cache).toContain("secretName: creds\n");
    expect(cache).toContain("effect: NoSchedule\n        - operator: Exists\n");
    const operator = await print(`
      operator manifests --watch-namespace shop,blog --watch-namespace shop --no-cache --pull-secret creds
    `);
    expect(operator).toContain("value: shop,blog\n");
    expect(operator).toContain("- --no-cache\n");
    expect(operator).toContain("resourceNames:\n      - creds\n");
    expect(operator).not.toContain("kind: ClusterRoleBinding");
  });

  it.each([
    { line: "cache manifests --name 1st", code: "NAME_INVALID" },
    { line: "cache manifests -n Shop", code: "NAMESPACE_INVALID" },
    { line: "cache manifests --image A", code: "REFERENCE_INVALID" },
    { line: "cache manifests --kubernetes-version latest", code: "KUBERNETES_VERSION_INVALID" },
    { line: "cache manifests --toleration a:Never", code: "TOLERATION_INVALID" },
    { line: "operator manifests --watch-namespace shop,", code: "NAMESPACE_INVALID" },
    { line: "operator manifests --replicas -1", code: "NUMBER_INVALID" },
    { line: "operator manifests --replicas 0", code: "NUMBER_INVALID" },
    { line: "operator manifests --pull-secret a/b", code: "NAME_INVALID" },
  ])("refuse $line", async ({ line, code }) => {
    const refused = await runCli(`${line} -o json`.split(" "), { home });
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    const { error } = JSON.parse(refused.stderr) as { error: { code: string; hint: string } };
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/./u) });
  });
});
