import { describe, expect, it } from "vitest";
import { parseDigest } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { Filter } from "../../../src/domain/filter.ts";
import { buildEnvoyFilter } from "../../../src/mesh/envoy-filter.ts";
import { filterLabels } from "../../../src/mesh/filter-object.ts";
import { checkFilterId, filterObjectName, workloadLabel } from "../../../src/mesh/names.ts";
import { isObjectConfig, type PluginRequest } from "../../../src/mesh/plugin-spec.ts";
import { buildTrafficExtension } from "../../../src/mesh/traffic-extension.ts";
import { buildWasmPlugin } from "../../../src/mesh/wasm-plugin.ts";
import { golden, toYaml } from "./golden.ts";
import { MODULE_DIGEST, request, WORKLOAD } from "./request.ts";

const inFile = (filter: Partial<Filter> = {}): PluginRequest => request(filter, { delivery: "cache-file" });

describe("EnvoyFilter", () => {
  it.each(["registry", "cache-http"] as const)(
    "discovers the filter by %s, under a name that both patches share",
    (delivery) => {
      const object = buildEnvoyFilter(request({ config: "plain" }, { delivery }));
      expect(toYaml(object)).toBe(golden(`envoy-filter-${delivery}`, object));
      const { configPatches } = object["spec"] as { configPatches: { patch: { value: { name: string } } }[] };
      expect(new Set(configPatches.map(({ patch }) => patch.value.name)).size).toBe(1);
    },
  );

  it("is written as Istio of today matches it", () => {
    expect(toYaml(buildEnvoyFilter(inFile({ config: '{"k":"v"}' })))).toBe(
      golden("envoy-filter", buildEnvoyFilter(inFile({ config: '{"k":"v"}' }))),
    );
  });

  it("negates the priority, so that higher runs first as in the other kinds", () => {
    const priorityOf = (priority: number): unknown => buildEnvoyFilter(inFile({ priority }))["spec"];
    expect(priorityOf(7)).toMatchObject({ priority: -7 });
    expect(priorityOf(-3)).toMatchObject({ priority: 3 });
    expect(JSON.stringify(priorityOf(0))).toContain('"priority":0');
  });

  it.each([
    ["inbound", "SIDECAR_INBOUND"],
    ["outbound", "SIDECAR_OUTBOUND"],
    ["gateway", "GATEWAY"],
    ["any", "ANY"],
  ] as const)("patches context %s as %s", (patchContext, context) => {
    expect(buildEnvoyFilter(inFile({ patchContext }))["spec"]).toMatchObject({
      configPatches: [{ match: { context } }],
    });
  });

  it.each([
    ["closed", "FAIL_CLOSED"],
    ["open", "FAIL_OPEN"],
    ["reload", "FAIL_RELOAD"],
  ] as const)("says what happens on failure: %s", (failurePolicy, policy) => {
    const text = JSON.stringify(buildEnvoyFilter(inFile({ failurePolicy })));
    expect(text).toContain(`"failure_policy":"${policy}"`);
  });

  it("leaves out root id and configuration when there are none, and keeps any text as configuration", () => {
    const bare = JSON.stringify(buildEnvoyFilter(inFile({ rootId: "" })));
    expect(bare).not.toMatch(/root_id|configuration/u);
    expect(JSON.stringify(buildEnvoyFilter(inFile({ config: "plain" })))).toContain('"value":"plain"');
  });

  it("is plain JSON: nothing undefined inside", () => {
    const object = buildEnvoyFilter(inFile());
    expect(JSON.parse(JSON.stringify(object))).toStrictEqual(object);
  });
});

describe("WasmPlugin and TrafficExtension", () => {
  const full = request({ config: '{"k":["v",1]}', phase: "authz", failurePolicy: "reload" }, { pullSecret: "regcred" });

  it("are written whole", () => {
    expect(toYaml(buildWasmPlugin(full))).toBe(golden("wasm-plugin", buildWasmPlugin(full)));
    expect(toYaml(buildTrafficExtension(full))).toBe(golden("traffic-extension", buildTrafficExtension(full)));
  });

  it.each([
    ["inbound", [{ mode: "SERVER" }]],
    ["outbound", [{ mode: "CLIENT" }]],
    ["gateway", [{ mode: "CLIENT" }]],
    ["any", undefined],
  ] as const)("match traffic %s", (patchContext, match) => {
    expect((buildWasmPlugin(request({ patchContext }))["spec"] as { match?: unknown }).match).toEqual(match);
    expect((buildTrafficExtension(request({ patchContext }))["spec"] as { match?: unknown }).match).toEqual(match);
  });

  it.each(["cache-http", "cache-file", "image-volume"] as const)("load the module by %s", (delivery) => {
    const object = buildWasmPlugin({ ...full, delivery });
    expect(toYaml(object)).toBe(golden(`wasm-plugin-${delivery}`, object));
    // The secret is for Istio's own pull only.
    expect(JSON.stringify(object)).not.toContain("imagePullSecret");
  });

  it("quote the checksum: 64 digits without quotes are a number", () => {
    const image = { ...request().image, moduleDigest: parseDigest(`sha256:${"1".repeat(64)}`) };
    const text = toYaml(buildTrafficExtension(request({}, { image, delivery: "cache-http" })));
    expect(text).toContain(`sha256: "${"1".repeat(64)}"`);
  });

  it("name the FilterDeployment that owns them", () => {
    const owner = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "fd", uid: "u", controller: true };
    expect(buildWasmPlugin(request({}, { owner })).metadata).toMatchObject({
      ownerReferences: [owner],
      labels: { "wasme.io/filter-deployment": "fd" },
    });
  });

  it("pin a reference that has no tag, too", () => {
    const image = { ...request().image, reference: parseImageReference(`localhost:5000/a@${MODULE_DIGEST}`) };
    expect(buildWasmPlugin(request({}, { image }))["spec"]).toMatchObject({
      url: `oci://localhost:5000/a@${request().image.manifestDigest}`,
    });
  });

  it("take a JSON object as configuration and nothing else", () => {
    expect([undefined, "{}", '{"a":1}', "[]", "1", "text", ""].map(isObjectConfig)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    const wrong = expect.objectContaining({ code: "PLUGIN_CONFIG_NOT_OBJECT", kind: "usage" });
    expect(() => buildWasmPlugin(request({ config: "text" }))).toThrow(wrong);
    expect(() => buildTrafficExtension(request({ config: "[1]" }))).toThrow(wrong);
  });

  it("refuse a digest that Istio cannot compare", () => {
    const image = { ...request().image, manifestDigest: parseDigest(`sha512:${"0".repeat(128)}`) };
    expect(() => buildWasmPlugin(request({}, { image }))).toThrow(
      expect.objectContaining({ code: "DIGEST_UNSUPPORTED" }),
    );
  });
});

describe("names and labels", () => {
  it("name the object after workload and filter", () => {
    expect(filterObjectName("web", "auth.v2")).toBe("web-auth.v2");
    expect(filterLabels("auth", WORKLOAD)).toEqual({
      "app.kubernetes.io/managed-by": "wasme",
      "wasme.io/filter": "auth",
      "wasme.io/workload": "web",
      "wasme.io/workload-kind": "deployment",
    });
  });

  it.each([
    ["My Filter", "my-filter"],
    ["auth_v1", "auth-v1"],
    ["-auth-", "auth"],
    ["", "my-filter"],
    ["a..b", "a-b"],
    ["x".repeat(64), "x".repeat(63)],
  ])("refuse the id %j and propose another", (id, proposal) => {
    const failure = { code: "FILTER_ID_INVALID", kind: "usage", hint: `for example: --id ${proposal}` };
    expect(() => checkFilterId(id)).toThrow(expect.objectContaining(failure));
  });

  it("refuse a name beyond 253 characters", () => {
    expect(filterObjectName("w".repeat(248), "auth")).toHaveLength(253);
    expect(() => filterObjectName("w".repeat(249), "auth")).toThrow(
      expect.objectContaining({ code: "OBJECT_NAME_TOO_LONG" }),
    );
  });

  it("shorten a long workload name to a label, without two becoming one", () => {
    const [a, b] = [workloadLabel(`${"w".repeat(100)}a`), workloadLabel(`${"w".repeat(100)}b`)];
    expect([a.length, b.length]).toEqual([63, 63]);
    expect(a).not.toBe(b);
    expect(a).toMatch(/^[a-z0-9][-a-z0-9]*[a-z0-9]$/u);
  });

  it("refuse a workload whose pods cannot be selected", () => {
    const workload = { ...WORKLOAD, podLabels: {} };
    const failure = expect.objectContaining({
      code: "WORKLOAD_WITHOUT_LABELS",
      message: expect.stringContaining("deployment/web"),
    });
    expect(() => buildEnvoyFilter(request({}, { workload }))).toThrow(failure);
    expect(() => buildWasmPlugin(request({}, { workload }))).toThrow(failure);
  });
});
