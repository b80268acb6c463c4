import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { stringify } from "yaml";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { buildPrecompiled } from "../../src/images/build-precompiled.ts";
import { buildDefaultBootstrap } from "../../src/mesh/default-bootstrap.ts";
import { deployEnvoy, type DeployEnvoyResult } from "../../src/sandbox/deploy-envoy.ts";
import type { DeployEnvoyDeps, DeployEnvoyRequest } from "../../src/sandbox/plan-envoy.ts";
import { openStore } from "../../src/store/image-store.ts";
import { createServerIdentity } from "../components/certificates.ts";
import { envoyPath, validateEnvoy } from "../components/envoy.ts";
import { freePorts } from "../components/ports.ts";
import { rawRequest } from "../components/raw-http.ts";
import { component, need } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { knownLayouts, putImage } from "../support/layouts.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterModule } from "../support/wasm-builder.ts";

const IMAGE = parseImageReference("example.org/team/hello:v1");
const CONFIG = '{"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["my_root"]}}';
const NEVER = new AbortController().signal;
const REQUEST: DeployEnvoyRequest = {
  image: IMAGE,
  id: undefined,
  rootId: undefined,
  config: undefined,
  failurePolicy: "closed",
  bootstrap: undefined,
  upstream: undefined,
  out: undefined,
  envoyImage: undefined,
  dockerRunArgs: [],
  envoyRunArgs: [],
};

let envoy: string | undefined;
beforeAll(async () => {
  const found = await component("envoy", envoyPath);
  envoy = "ready" in found ? found.ready : undefined;
});

interface World {
  readonly deps: DeployEnvoyDeps;
  readonly dir: string;
  readonly store: ReturnType<typeof openStore>;
}

/** A home of its own with the C fixture in its store, and the real Envoy in `ENVOY_PATH`. */
async function world(stdin = ""): Promise<World> {
  const dir = tempDir();
  const store = openStore(join(dir, "images"));
  const tmp = join(dir, "tmp");
  mkdirSync(tmp);
  writeFileSync(join(dir, "runtime-config.json"), CONFIG);
  const tag = "example.org/team/hello:v1";
  await buildPrecompiled(
    { store, cwd: dir, signal: NEVER },
    { tag, file: HELLO_WASM, runtimeConfig: "runtime-config.json", check: true },
    () => undefined,
  );
  const env = { PATH: process.env["PATH"], ...(envoy === undefined ? {} : { ENVOY_PATH: envoy }) };
  return {
    dir,
    store,
    deps: { store, paths: { home: dir, tmp }, cwd: dir, env, readStdin: () => Promise.resolve(stdin) },
  };
}

interface Running {
  readonly url: string;
  readonly events: readonly ProgressEvent[];
  readonly stop: () => Promise<unknown>;
}

/** Runs it on free ports until the test ends. */
async function runs({ deps }: World, request: Partial<DeployEnvoyRequest> = {}): Promise<Running> {
  const [port = 0, adminPort = 0] = await freePorts(2);
  const controller = new AbortController();
  const events: ProgressEvent[] = [];
  const address = "127.0.0.1";
  const whole = { ...REQUEST, listen: { address, port }, admin: { address, port: adminPort }, ...request };
  const done = deployEnvoy({ ...deps, signal: controller.signal }, whole, (event) => events.push(event));
  const outcome = done.then(
    (result) => result,
    (error: unknown) => error,
  );
  const stop = async (): Promise<unknown> => {
    controller.abort();
    return await outcome;
  };
  onTestFinished(async () => void (await stop()));
  const admin = `http://${address}:${whole.admin.port}`;
  await Promise.race([
    waitFor("Envoy to be ready", () =>
      rawRequest({ url: `${admin}/ready` }).then(
        ({ status }) => (status === 200 ? true : undefined),
        () => undefined,
      ),
    ),
    outcome.then((result) => Promise.reject(result instanceof Error ? result : new Error("Envoy ended early"))),
  ]);
  return { url: `http://${address}:${whole.listen.port}`, events, stop };
}

const failure = (expected: object): unknown => expect.objectContaining(expected);

describe("deploy envoy", () => {
  it("runs the filter of the store in a real Envoy until it is told to end, and leaves nothing behind", async (context) => {
    await need(context, "envoy", envoyPath);
    const here = await world();
    const { url, events, stop } = await runs(here);
    const { status, headers, text } = await rawRequest({ url });
    expect([status, headers["hello"], text]).toEqual([200, "world", "ok\n"]);
    const [milestone] = events.filter((event) => event.type === "milestone");
    expect(milestone).toMatchObject({
      message: expect.stringMatching(/^Running .*envoy with filter my_root: wasme http:\/\/127/u),
    });
    expect(await stop()).toMatchObject({ name: "AbortError" });
    expect(readdirSync(here.deps.paths.tmp)).toEqual([]);
    await expect(rawRequest({ url })).rejects.toThrow(/ECONNREFUSED/u);
  });

  it("hands the plugin config over as it is", async (context) => {
    await need(context, "envoy", envoyPath);
    const { url } = await runs(await world(), { config: "größe 1" });
    const { headers } = await rawRequest({ url });
    expect(Buffer.from(String(headers["hello"]), "latin1").toString("utf8")).toBe("größe 1");
  });

  it("runs an image whose module is packed in a layer", async (context) => {
    await need(context, "envoy", envoyPath);
    const here = await world();
    const { compat } = knownLayouts(readFileSync(HELLO_WASM), CONFIG);
    if (compat === undefined) throw new Error("no compat layout");
    await putImage(here.store, "example.org/team/packed:v1", compat);
    const { url } = await runs(here, { image: parseImageReference("example.org/team/packed:v1") });
    expect((await rawRequest({ url })).headers["hello"]).toBe("world");
    expect(readdirSync(join(here.dir, "modules"))).toHaveLength(1);
  });

  it("goes to an upstream, below its path and under its name", async (context) => {
    await need(context, "envoy", envoyPath);
    const upstream = createServer((request, response) => void response.end(`${request.headers.host} ${request.url}`));
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    onTestFinished(() => void upstream.close());
    const port = (upstream.address() as AddressInfo).port;
    const { url } = await runs(await world(), { upstream: `http://localhost:${port}/base` });
    const { headers, text } = await rawRequest({ url: `${url}/a?b=1` });
    expect([text, headers["hello"]]).toEqual([`localhost:${port} /base/a?b=1`, "world"]);
  });

  it("takes the user's bootstrap from stdin, in camelCase, and puts the filter into every connection manager", async (context) => {
    await need(context, "envoy", envoyPath);
    const [port = 0, other = 0, adminPort = 0] = await freePorts(3);
    const address = "127.0.0.1";
    const base = buildDefaultBootstrap({ listen: { address, port }, admin: { address, port: adminPort } });
    const second = buildDefaultBootstrap({ listen: { address, port: other }, admin: { address, port: 0 } });
    const listeners = [listenerOf(base), { ...listenerOf(second), name: "second" }];
    const bootstrap = camel({ ...base, static_resources: { listeners } });
    const admin = { address, port: adminPort };
    await runs(await world(stringify(bootstrap)), { bootstrap: "-", listen: { address, port }, admin });
    for (const each of [port, other]) {
      expect((await rawRequest({ url: `http://${address}:${each}` })).headers["hello"]).toBe("world");
    }
  });

  it("verifies an https upstream by SSL_CERT_FILE, and does not talk to one it does not trust", async (context) => {
    await need(context, "envoy", envoyPath);
    const here = await world();
    const identity = await createServerIdentity(here.dir, "localhost");
    const [key, cert] = [readFileSync(identity.key), readFileSync(identity.certificate)];
    const upstream = createTlsServer({ key, cert }, (_request, response) => void response.end("secret"));
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    onTestFinished(() => void upstream.close());
    const url = `https://localhost:${(upstream.address() as AddressInfo).port}`;
    const trusting = { ...here, deps: { ...here.deps, env: { ...here.deps.env, SSL_CERT_FILE: identity.caFile } } };
    const running = await runs(trusting, { upstream: url });
    expect(await rawRequest({ url: running.url })).toMatchObject({ status: 200, text: "secret" });
    const other = await createServerIdentity(tempDir(), "localhost");
    const doubting = { ...here, deps: { ...here.deps, env: { ...here.deps.env, SSL_CERT_FILE: other.caFile } } };
    const stranger = await runs(doubting, { upstream: url });
    expect(await rawRequest({ url: stranger.url })).toMatchObject({
      status: 503,
      text: expect.not.stringContaining("secret"),
    });
  });

  it("only writes the bootstrap with --out, which a real Envoy then loads", async (context) => {
    await need(context, "envoy", envoyPath);
    const here = await world();
    const result = await deployEnvoy(here.deps, { ...REQUEST, out: "envoy.yaml", id: "mine" });
    expect(result).toMatchObject({ ran: "none", out: join(here.dir, "envoy.yaml"), id: "mine", connectionManagers: 1 });
    const config = readFileSync(join(here.dir, "envoy.yaml"), "utf8");
    expect(config).toContain("root_id: my_root");
    expect(await validateEnvoy({ config })).toMatchObject({ code: 0 });
    const asText = await deployEnvoy(here.deps, { ...REQUEST, out: "-", id: "mine" });
    expect(asText.bootstrap).toBe(config);
  });

  it("tells why Envoy gave up: a busy port", async (context) => {
    await need(context, "envoy", envoyPath);
    const busy = createServer().listen(0, "127.0.0.1");
    await once(busy, "listening");
    onTestFinished(() => void busy.close());
    const port = (busy.address() as AddressInfo).port;
    const here = await world();
    const listen = { address: "127.0.0.1", port };
    await expect(deployEnvoy(here.deps, { ...REQUEST, listen, admin: { ...listen, port: 0 } })).rejects.toThrow(
      failure({ code: "ENVOY_FAILED", kind: "failed", message: expect.stringContaining("already in use") }),
    );
    expect(readdirSync(here.deps.paths.tmp)).toEqual([]);
  });

  it("refuses a filter that rejects its configuration; unchecked, it tells why Envoy gave up", async (context) => {
    await need(context, "envoy", envoyPath);
    const here = await world();
    const refusing = filterModule({
      functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body: [0x41, 0] }],
    });
    writeFileSync(join(here.dir, "no.wasm"), refusing);
    await buildPrecompiled(
      { store: here.store, cwd: here.dir, signal: NEVER },
      { tag: "no:v1", file: "no.wasm", check: true },
      () => undefined,
    );
    const image = parseImageReference("no:v1");
    const request = {
      ...REQUEST,
      image,
      listen: { address: "127.0.0.1", port: 0 },
      admin: { address: "127.0.0.1", port: 0 },
    };
    const hint = expect.stringContaining("--config");
    await expect(deployEnvoy(here.deps, request)).rejects.toThrow(failure({ code: "FILTER_UNFIT", hint }));
    const unchecked = deployEnvoy(here.deps, { ...request, check: false });
    await expect(unchecked).rejects.toThrow(failure({ code: "ENVOY_FAILED", hint }));
  });
});

describe("deploy envoy in a container", () => {
  /** A container engine that shows what it was given. */
  async function engine(script: string): Promise<World> {
    const here = await world();
    const bin = join(here.dir, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "docker"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, "docker"), 0o755);
    return { ...here, deps: { ...here.deps, env: { PATH: `${bin}:${process.env["PATH"] ?? ""}` } } };
  }

  it("gives it the module, a bootstrap it can reach, and the ports", async () => {
    const here = await engine(
      `echo "$@"; while [ $# -gt 0 ]; do [ "$1" = -v ] && d="\${2%%:*}" && [ -d "$d" ] && cat "$d/envoy.json"; shift; done; echo`,
    );
    const events: ProgressEvent[] = [];
    const request = {
      ...REQUEST,
      envoyImage: "envoy:test",
      dockerRunArgs: ["-e 'A=b c'"],
      upstream: "http://localhost:3000",
    };
    const result: DeployEnvoyResult = await deployEnvoy(here.deps, request, (event) => events.push(event));
    expect(result).toMatchObject({ ran: "docker", connectionManagers: 1 });
    const output = events.flatMap((event) => (event.type === "output" ? [event.line] : []));
    expect(output[0]).toMatch(
      /-p 127\.0\.0\.1:8080:8080 -p 127\.0\.0\.1:19000:19000 -e A=b c envoy:test -c \/etc\/wasme\/envoy\.json/u,
    );
    expect(output[0]).toContain("--add-host host.docker.internal:host-gateway");
    const hex = result.moduleDigest.slice("sha256:".length);
    expect(output[0]).toContain(`-v ${join(here.dir, "images", "blobs", "sha256", hex)}:/var/lib/wasme/${hex}.wasm:ro`);
    expect(output[1]).toContain(`"filename":"/var/lib/wasme/${hex}.wasm"`);
    expect(output[1]).toContain('"address":"0.0.0.0","port_value":8080');
    expect(output[1]).toContain('"address":"host.docker.internal","port_value":3000');
    expect(output[1]).toContain('"host_rewrite_literal":"localhost:3000"');
  });

  it("says that the engine failed, not Envoy", async () => {
    const here = await engine(`echo "docker: Cannot connect to the Docker daemon." >&2; exit 125`);
    await expect(deployEnvoy(here.deps, { ...REQUEST, envoyImage: "envoy:test" })).rejects.toThrow(
      failure({ code: "CONTAINER_FAILED", message: expect.stringContaining("Cannot connect") }),
    );
  });
});

describe("deploy envoy with bad input", () => {
  const refusals: readonly Refusal[] = [
    ["an unknown image", { image: parseImageReference("nope:v1") }, { code: "IMAGE_NOT_FOUND", kind: "not-found" }],
    [
      "a bootstrap without a place for the filter",
      { bootstrap: "-" },
      { code: "NO_CONNECTION_MANAGER", kind: "not-found" },
      "admin: {}",
    ],
    ["a bootstrap that is none", { bootstrap: "-" }, { code: "BOOTSTRAP_INVALID", kind: "usage" }, "[1"],
    ["a missing bootstrap file", { bootstrap: "nope.yaml" }, { code: "FILE_UNREADABLE", kind: "usage" }],
    ["an upstream that is no URL", { upstream: "ftp://x" }, { code: "UPSTREAM_INVALID", kind: "usage" }],
    [
      "an upstream for a bootstrap of one's own",
      { upstream: "http://x", bootstrap: "-" },
      { code: "OPTIONS_CONFLICT", kind: "usage" },
    ],
    ["arguments with an open quote", { envoyRunArgs: ["'x"] }, { code: "ARGUMENTS_INVALID", kind: "usage" }],
  ];
  for (const [title, request, expected, stdin] of refusals) {
    it(`refuses ${title}`, async () => {
      const here = await world(stdin);
      await expect(deployEnvoy(here.deps, { ...REQUEST, ...request })).rejects.toThrow(failure(expected));
      expect(readdirSync(here.deps.paths.tmp)).toEqual([]);
    });
  }

  it("refuses a module no proxy loads, before anything is started", async () => {
    const here = await world();
    writeFileSync(join(here.dir, "bad.wasm"), filterModule({ imports: [{ name: "abort", params: "iiii" }] }));
    const build = { tag: "bad:v1", file: "bad.wasm", check: false };
    await buildPrecompiled({ store: here.store, cwd: here.dir, signal: NEVER }, build, () => undefined);
    await expect(deployEnvoy(here.deps, { ...REQUEST, image: parseImageReference("bad:v1") })).rejects.toThrow(
      failure({ code: "MODULE_UNKNOWN_IMPORT", kind: "incompatible", message: expect.stringContaining("env.abort") }),
    );
  });
});

type Refusal = readonly [title: string, request: Partial<DeployEnvoyRequest>, expected: object, stdin?: string];

/** The one listener of a built-in bootstrap. */
function listenerOf(bootstrap: JsonObject): JsonObject {
  const resources = bootstrap["static_resources"] as JsonObject;
  const [listener] = resources["listeners"] as readonly JsonObject[];
  return listener ?? {};
}

function camel<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => camel(item)) as T;
  if (typeof value !== "object" || value === null) return value;
  const name = (key: string): string => key.replaceAll(/_([a-z])/gu, (_all, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [name(key), camel(item)])) as T;
}
