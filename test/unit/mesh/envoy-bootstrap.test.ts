import { describe, expect, it } from "vitest";
import type { Json, JsonObject } from "../../../src/domain/json.ts";
import { buildDefaultBootstrap, DEFAULT_ADMIN, DEFAULT_LISTEN } from "../../../src/mesh/default-bootstrap.ts";
import { insertIntoBootstrap } from "../../../src/mesh/envoy-bootstrap.ts";
import { buildWasmHttpFilter } from "../../../src/mesh/wasm-http-filter.ts";
import { golden, toYaml } from "./golden.ts";
import { FILTER } from "./request.ts";

const MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = {
  name: "r",
  typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
};
const WASM = buildWasmHttpFilter({ ...FILTER, config: '{"a_b":1}' }, "/m.wasm");

const manager = (...filters: Json[]): JsonObject => ({
  name: "hcm",
  typed_config: { "@type": MANAGER, http_filters: filters },
});
const withFilters = (...filters: Json[]): JsonObject => ({
  static_resources: { listeners: [{ name: "l", filter_chains: [{ filters }] }] },
});

describe("inserting a filter into a bootstrap", () => {
  it("stands before the router, after what is there", () => {
    const result = insertIntoBootstrap(withFilters(manager({ name: "cors" }, ROUTER)), WASM);
    expect(result).toEqual({
      bootstrap: withFilters(manager({ name: "cors" }, WASM, ROUTER)),
      inserted: 1,
      outdated: 0,
      withoutRouter: 0,
    });
  });

  it("reaches every listener, chain and the default chain, and leaves the rest alone", () => {
    const listener = (address: string): JsonObject => ({
      address,
      filter_chains: [{ filters: [manager(ROUTER)] }, { filters: [{ name: "tcp" }, manager(ROUTER)] }],
      default_filter_chain: { filters: [manager(ROUTER)] },
    });
    const bootstrap: JsonObject = {
      node: { id: "n" },
      static_resources: { listeners: [listener("a"), listener("b")], clusters: [] },
    };
    const before = JSON.stringify(bootstrap);
    const result = insertIntoBootstrap(bootstrap, WASM);
    expect(result.inserted).toBe(6);
    expect(JSON.stringify(bootstrap)).toBe(before);
    expect(result.bootstrap).toMatchObject({ node: { id: "n" }, static_resources: { clusters: [] } });
  });

  it("speaks camelCase where the file does, and leaves the configuration alone", () => {
    const router = { name: "envoy.filters.http.router", typedConfig: ROUTER.typed_config };
    const bootstrap: JsonObject = {
      staticResources: {
        listeners: [
          { filterChains: [{ filters: [{ name: "h", typedConfig: { "@type": MANAGER, httpFilters: [router] } }] }] },
        ],
      },
    };
    const result = insertIntoBootstrap(bootstrap, WASM);
    const text = JSON.stringify(result.bootstrap);
    expect(result.inserted).toBe(1);
    expect(text).toContain('"vmConfig":{"vmId":"auth"');
    expect(text).toContain(String.raw`"value":"{\"a_b\":1}"`);
    expect(text).not.toContain("typed_config");
  });

  it("replaces the filter of the same name where it stands", () => {
    const old = { name: "auth", typed_config: { "@type": "x/envoy.extensions.filters.http.wasm.v3.Wasm" } };
    const result = insertIntoBootstrap(withFilters(manager(old, { name: "cors" }, ROUTER)), WASM);
    expect(result).toMatchObject({ bootstrap: withFilters(manager(WASM, { name: "cors" }, ROUTER)), inserted: 1 });
  });

  it("leaves another filter of that name, and the router, where they stand", () => {
    const jwt: JsonObject = { name: FILTER.id, typed_config: { "@type": "x/envoy.Jwt" } };
    const router: JsonObject = { ...ROUTER, name: FILTER.id };
    expect(insertIntoBootstrap(withFilters(manager(jwt, router)), WASM).bootstrap).toEqual(
      withFilters(manager(jwt, WASM, router)),
    );
  });

  it("looks into a TypedStruct", () => {
    const value = { http_filters: [ROUTER] };
    const wrapped = {
      name: "h",
      typed_config: { "@type": "type.googleapis.com/udpa.type.v1.TypedStruct", type_url: MANAGER, value },
    };
    expect(insertIntoBootstrap(withFilters(wrapped), WASM).inserted).toBe(1);
  });

  it("counts what it had to leave alone", () => {
    const old = { name: "envoy.http_connection_manager", config: { http_filters: [{ name: "envoy.router" }] } };
    const result = insertIntoBootstrap(withFilters(old, manager({ name: "cors" }), manager()), WASM);
    expect(result).toMatchObject({ inserted: 0, outdated: 1, withoutRouter: 2 });
  });

  it.each([
    {},
    { static_resources: null },
    { static_resources: { listeners: "x" } },
    { static_resources: { listeners: [null, 1] } },
  ])("finds nothing in %j", (bootstrap) => {
    expect(insertIntoBootstrap(bootstrap, WASM)).toEqual({ bootstrap, inserted: 0, outdated: 0, withoutRouter: 0 });
  });
});

describe("the built-in bootstrap", () => {
  const build = (upstream?: string, caFile?: string): JsonObject =>
    buildDefaultBootstrap({
      listen: DEFAULT_LISTEN,
      admin: DEFAULT_ADMIN,
      upstream: upstream === undefined ? undefined : new URL(upstream),
      caFile,
    });

  it("answers by itself", () => {
    expect(toYaml(insertIntoBootstrap(build(), WASM).bootstrap)).toBe(
      golden("bootstrap", insertIntoBootstrap(build(), WASM).bootstrap),
    );
  });

  it("goes to an upstream, by TLS with the right name", () => {
    expect(toYaml(build("https://api.example/base/", "/etc/ssl/certs/ca-certificates.crt"))).toBe(
      golden("bootstrap-upstream", build("https://api.example/base/", "/etc/ssl/certs/ca-certificates.crt")),
    );
  });

  it.each([
    ["http://127.0.0.1:3000", '"type":"STATIC"', '"address":"127.0.0.1","port_value":3000'],
    ["http://[::1]:3000", '"type":"STATIC"', '"address":"::1","port_value":3000'],
    ["http://example.org", '"type":"LOGICAL_DNS"', '"address":"example.org","port_value":80'],
    ["https://example.org", '"type":"LOGICAL_DNS"', '"port_value":443'],
  ])("%s", (url, ...parts) => {
    const text = JSON.stringify(build(url));
    for (const part of parts) expect(text).toContain(part);
  });
});
