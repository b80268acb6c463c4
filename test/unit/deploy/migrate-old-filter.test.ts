import { describe, expect, it } from "vitest";
import { readOldFilter } from "../../../src/deploy/migrate-old-filter.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

const HASH = "ab".repeat(32);
const ANY = "type.googleapis.com/google.protobuf.";

interface Shape {
  readonly name?: string;
  readonly manager?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly configuration?: unknown;
  readonly filename?: string;
  readonly context?: string;
  readonly form?: "typed" | "untyped";
  readonly connectionManager?: string;
  readonly more?: readonly unknown[];
}

function old(shape: Shape = {}): KubeObject {
  const { name = "web-f1", manager, labels, configuration, context = "SIDECAR_INBOUND", form = "typed" } = shape;
  const { filename = `/var/local/lib/wasme-cache/${HASH}`, connectionManager = "envoy.http_connection_manager" } =
    shape;
  const config = {
    ...(configuration === undefined ? {} : { configuration }),
    name: "f1",
    rootId: "my_root",
    vmConfig: { code: { local: { filename } }, runtime: "envoy.wasm.runtime.v8", vmId: "f1" },
  };
  const wrapped = form === "typed" ? { typedConfig: { value: { config } } } : { config: { config } };
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: {
      name,
      namespace: "shop",
      ...(labels === undefined ? {} : { labels }),
      ...(manager === undefined ? {} : { managedFields: [{ manager, operation: "Update" }] }),
    },
    spec: {
      workloadSelector: { labels: { app: "web" } },
      configPatches: [
        {
          applyTo: "HTTP_FILTER",
          match: { context, listener: { filterChain: { filter: { name: connectionManager } } } },
          patch: { operation: "INSERT_BEFORE", value: { name: "envoy.filters.http.wasm", ...wrapped } },
        },
        ...(shape.more ?? []),
      ],
    },
  };
}

const filterOf = (shape?: Shape): unknown => {
  const reading = readOldFilter(old(shape));
  return reading?.type === "old" ? reading.filter : reading?.type;
};

describe("readOldFilter", () => {
  it.each(["typed", "untyped"] as const)("reads the %s form by its shape alone", (form) => {
    expect(filterOf({ form })).toMatchObject({
      id: "f1",
      rootId: "my_root",
      config: undefined,
      moduleDigest: `sha256:${HASH}`,
      patchContext: "inbound",
      selector: { app: "web" },
      workload: "web",
      deadNames: true,
    });
  });

  it.each([
    ["plain text", { form: "untyped", configuration: '{"a": 1}' }, '{"a": 1}'],
    ["a StringValue", { configuration: { "@type": `${ANY}StringValue`, value: '{"a": 1}' } }, '{"a": 1}'],
    ["an empty StringValue", { configuration: { "@type": `${ANY}StringValue` } }, ""],
    ["a Struct", { configuration: { "@type": `${ANY}Struct`, value: { a: 1 } } }, '{"a":1}'],
    ["bytes that are text", { configuration: { "@type": `${ANY}BytesValue`, value: "aGk=" } }, "hi"],
  ] as const)("reads a configuration that is %s", (_what, shape, config) => {
    expect(filterOf(shape)).toMatchObject({ config });
  });

  it.each([
    ["bytes that are no text", { configuration: { "@type": `${ANY}BytesValue`, value: "/w==" } }],
    ["a configuration of another type", { configuration: { "@type": `${ANY}Duration`, value: "1s" } }],
    ["a second patch", { more: [{ applyTo: "CLUSTER" }] }],
    ["another name", { name: "mine" }],
    ["another context", { context: "SIDECAR_OTHER" }],
    ["no module of the cache", { manager: "wasme", filename: "/elsewhere/x.wasm" }],
    ["a file that is no hash", { filename: "/var/local/lib/wasme-cache/hello.wasm" }],
  ] as const)("calls it unclear with %s", (_what, shape) => {
    expect(filterOf(shape)).toBe("unclear");
  });

  it("has nothing to do with today's objects, nor with others", () => {
    expect(filterOf({ labels: { "app.kubernetes.io/managed-by": "wasme" }, manager: "wasme" })).toBeUndefined();
    expect(filterOf({ filename: "/var/lib/wasme/x.wasm", manager: "wasme-cli" })).toBeUndefined();
  });

  it("sees that somebody has given it living names", () => {
    expect(filterOf({ connectionManager: "envoy.filters.network.http_connection_manager" })).toMatchObject({
      deadNames: false,
    });
  });
});
