import { describe, expect, it } from "vitest";
import type { KubeObject } from "./kube.ts";
import { readFilterObject, selects, type Wanted } from "./wanted.ts";

const SHA = "ab".repeat(32);
const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MANAGER = "envoy.filters.network.http_connection_manager";

function object(spec: object): KubeObject {
  return { metadata: { name: "x", namespace: "shop", uid: "u", generation: 3, resourceVersion: "9" }, spec };
}

function wanted(kind: string, spec: object): readonly Wanted[] {
  return readFilterObject(kind, object(spec)).wanted;
}

function filterPatch(value: object, manager: string = MANAGER): object {
  const filter = { name: manager, subFilter: { name: "envoy.filters.http.router" } };
  const match = { context: "SIDECAR_INBOUND", listener: { filterChain: { filter } } };
  return { applyTo: "HTTP_FILTER", match, patch: { operation: "INSERT_BEFORE", value } };
}

function discovered(name: string, config: object, type = "type.googleapis.com/udpa.type.v1.TypedStruct"): object[] {
  const typed_config = { "@type": type, type_url: WASM, value: { config } };
  return [
    filterPatch({ name: "one", config_discovery: { config_source: { ads: {} } } }),
    { applyTo: "EXTENSION_CONFIG", patch: { operation: "ADD", value: { name, typed_config } } },
  ];
}

function remote(uri: object): object {
  return { vm_config: { code: { remote: { http_uri: uri, sha256: SHA } } } };
}

describe("what objects make proxies want", () => {
  it("is a download with 30 s for plugins of both kinds", () => {
    const plugin = { url: "http://wasme-cache.wasme/x", sha256: SHA };
    const expected = { source: { way: "http", url: plugin.url }, sha256: SHA, timeoutMs: 30_000 };
    expect(wanted("WasmPlugin", plugin)).toEqual([expected]);
    expect(wanted("TrafficExtension", { wasm: plugin })).toEqual([expected]);
  });

  it("is an image where the URL has no scheme, and a file where it says so", () => {
    expect(wanted("WasmPlugin", { url: "a.example/b:1" })[0]?.source).toEqual({
      way: "oci",
      url: "oci://a.example/b:1",
    });
    expect(wanted("WasmPlugin", { url: "file:///m/plugin.wasm" })[0]?.source).toEqual({
      way: "file",
      path: "/m/plugin.wasm",
      inListener: false,
    });
  });

  it("is a download of an EnvoyFilter with the time it gives, or five seconds", () => {
    const url = "http://wasme-cache.wasme/x";
    const source = { way: "http", url };
    expect(wanted("EnvoyFilter", { configPatches: discovered("one", remote({ uri: url, timeout: "30s" })) })).toEqual([
      { source, sha256: SHA, timeoutMs: 30_000 },
    ]);
    expect(wanted("EnvoyFilter", { configPatches: discovered("one", remote({ uri: url })) })).toMatchObject([
      { source, timeoutMs: 5000 },
    ]);
  });

  it("is nothing that works where names differ, or a wrapper is not the agent's", () => {
    const config = remote({ uri: "http://wasme-cache.wasme/x" });
    const [other] = wanted("EnvoyFilter", { configPatches: discovered("two", config) });
    expect(other?.source).toMatchObject({ way: "broken" });
    const xds = discovered("one", config, "type.googleapis.com/xds.type.v3.TypedStruct");
    expect(wanted("EnvoyFilter", { configPatches: xds })).toEqual([]);
    const inline = filterPatch({ name: "one", typed_config: { "@type": WASM, config } });
    expect(wanted("EnvoyFilter", { configPatches: [inline] })).toMatchObject([{ source: { way: "broken" } }]);
  });

  it("is a file in the listener for local code, and nothing under names no chain has", () => {
    const config = { vmConfig: { code: { local: { filename: "/m/x.wasm" } } } };
    const value = { name: "one", typedConfig: { "@type": WASM, config } };
    expect(wanted("EnvoyFilter", { configPatches: [filterPatch(value)] })).toEqual([
      { source: { way: "file", path: "/m/x.wasm", inListener: true }, sha256: undefined, timeoutMs: 0 },
    ]);
    expect(wanted("EnvoyFilter", { configPatches: [filterPatch(value, "envoy.http_connection_manager")] })).toEqual([]);
  });

  it("is for the pods of the namespace that have all labels, and changes with the generation", () => {
    const read = readFilterObject("WasmPlugin", object({ selector: { matchLabels: { app: "web" } }, url: "a/b:1" }));
    const pod = (namespace: string, labels: Record<string, string>): KubeObject => ({
      metadata: { name: "p", namespace, uid: "p", resourceVersion: "1", labels },
    });
    expect(read.version).toBe("u@3");
    expect(selects(read, pod("shop", { app: "web", version: "v1" }))).toBe(true);
    expect(selects(read, pod("shop", { app: "other" }))).toBe(false);
    expect(selects(read, pod("else", { app: "web" }))).toBe(false);
  });
});
