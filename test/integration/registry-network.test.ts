import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { createServerIdentity, type ServerIdentity } from "../components/certificates.ts";
import { freePorts } from "../components/ports.ts";
import { need } from "../components/require-component.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { pushTestImage, pullTestImage, testImage } from "../support/fault-image.ts";
import { startProxy, type TestProxy } from "../support/fault-proxy.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Schemes, certificates, proxies, and hosts that are not there. */
describe("reaching a registry", () => {
  const closing: (() => Promise<void> | void)[] = [];
  const image = testImage(300_000);

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  function open(reference: string, options: Partial<RegistryClientOptions> = {}): Repository {
    const client = createRegistryClient({ env: {}, clock: fakeClock(), idleTimeoutMs: 3000, ...options });
    closing.push(() => client.close());
    return client.repository(parseImageReference(reference), "push");
  }

  async function plainRegistry(): Promise<FaultRegistry> {
    const registry = await startFaultRegistry();
    closing.push(() => registry.close());
    return registry;
  }

  async function proxyTo(target: string, refuse?: number): Promise<TestProxy> {
    const proxy = await startProxy(target, refuse);
    closing.push(() => proxy.close());
    return proxy;
  }

  interface TlsRegistry extends ServerIdentity {
    readonly host: string;
  }

  /** A TLS server of Node's that answers as an empty registry. */
  async function tlsRegistry(
    context: Parameters<typeof need>[0],
    name: string,
    location?: string,
  ): Promise<TlsRegistry> {
    const dir = tempDir();
    const identity = await need(context, "openssl", () => createServerIdentity(dir, name));
    const [cert, key] = await Promise.all([readFile(identity.certificate), readFile(identity.key)]);
    const server = createTlsServer({ cert, key }, (_request, response) => {
      response.writeHead(location === undefined ? 404 : 307, location === undefined ? {} : { location }).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
    return { ...identity, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  it("speaks http to loopback names without being told", async () => {
    const registry = await plainRegistry();
    const to = open(`localhost:${registry.host.split(":")[1] ?? ""}/demo/filter:v1`);
    await pushTestImage(to, image);
    expect((await pullTestImage(to, image)).module.byteLength).toBe(image.module.byteLength);
  });

  it("finds names below localhost on this machine, whatever the system makes of them", async () => {
    const registry = await plainRegistry();
    const to = open(`k3d-registry.localhost:${registry.host.split(":")[1] ?? ""}/demo/filter:v1`);
    await pushTestImage(to, image);
    expect((await pullTestImage(to, image)).module.byteLength).toBe(image.module.byteLength);
    expect(registry.requests[0]?.headers["host"]).toMatch(/^k3d-registry\.localhost:/u);
  });

  it("finds TLS behind a loopback name", async (context) => {
    const server = await tlsRegistry(context, "127.0.0.1");
    expect(await open(`${server.host}/demo/filter:v1`, { caFile: server.caFile }).fetchManifest("v1")).toBeUndefined();
    await expect(open(`${server.host}/demo/filter:v1`).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
    });
  });

  it("finds http behind a loopback name even when TLS was meant", async () => {
    const registry = await plainRegistry();
    expect(await open(`${registry.host}/demo/filter:v1`, { insecure: true }).fetchManifest("v1")).toBeUndefined();
  });

  it("does not try TLS as well where a loopback name is silent", async () => {
    const connections: Socket[] = [];
    const server = createTcpServer((socket) => void connections.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => {
      for (const socket of connections) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const silent = open(`localhost:${port}/demo/filter:v1`, { idleTimeoutMs: 200, retryBudgetMs: 0 });
    await expect(silent.fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining("no answer within 0.2 s"),
    });
    expect(connections).toHaveLength(1);
  });

  it("never goes down to http by itself elsewhere", async () => {
    const registry = await plainRegistry();
    const proxy = await proxyTo(registry.host);
    const reference = "registry.example.test/demo/filter:v1";
    await expect(open(reference, { env: { https_proxy: proxy.url } }).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_SPEAKS_HTTP",
      kind: "unreachable",
      hint: expect.stringContaining("--plain-http"),
    });
    expect(registry.requests).toEqual([]);
    const told = open(reference, { env: { http_proxy: proxy.url }, plainHttp: true });
    expect(await told.fetchManifest("v1")).toBeUndefined();
  });

  it.for([
    ["another name", "other.example.test", "for another host name"],
    ["an unknown authority", "registry.example.test", "authority that is not known"],
  ] as const)("names a certificate of %s", async ([kind, name, words], context) => {
    const server = await tlsRegistry(context, name);
    const proxy = await proxyTo(server.host);
    const trust = kind === "another name" ? { caFile: server.caFile } : {};
    const options = { env: { HTTPS_PROXY: proxy.url }, ...trust };
    await expect(open("registry.example.test/demo/filter:v1", options).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining(words),
      hint: expect.stringMatching(/--ca-file.*--insecure/u),
    });
  });

  it("leaves out the check for the host that was named, and for no other", async (context) => {
    const env = { HTTPS_PROXY: (await proxyTo((await tlsRegistry(context, "any.example.test")).host)).url };
    const named = open("registry.example.test/demo/filter:v1", { env, insecure: true });
    expect(await named.fetchManifest("v1")).toBeUndefined();
    const away = await tlsRegistry(context, "any.example.test", "https://elsewhere.example.test/x");
    const redirecting = { HTTPS_PROXY: (await proxyTo(away.host)).url };
    const led = open("registry.example.test/demo/filter:v1", { env: redirecting, insecure: true });
    await expect(led.fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining("elsewhere.example.test"),
    });
  });

  it("goes over a proxy with CONNECT, and proves itself there alone", async (context) => {
    const server = await tlsRegistry(context, "registry.example.test");
    const proxy = await proxyTo(server.host);
    const withUser = proxy.url.replace("http://", "http://me:s%40cret@");
    const to = open("registry.example.test/demo/filter:v1", { env: { HTTPS_PROXY: withUser }, caFile: server.caFile });
    expect(await to.fetchManifest("v1")).toBeUndefined();
    expect(await to.tags()).toBeUndefined();
    expect(proxy.log).toEqual(["CONNECT registry.example.test:443"]);
    expect(proxy.authorizations).toEqual([`Basic ${Buffer.from("me:s@cret").toString("base64")}`]);
  });

  it.for([
    ["its own address", "10.9.8.7", undefined],
    ["another address", "10.9.8.8", "REGISTRY_TLS"],
    ["the machine's own name", "localhost", "REGISTRY_TLS"],
  ] as const)("judges an address behind a proxy by a certificate of %s", async ([, name, code], context) => {
    const server = await tlsRegistry(context, name);
    const proxy = await proxyTo(server.host);
    const to = open("10.9.8.7/demo/filter:v1", { env: { HTTPS_PROXY: proxy.url }, caFile: server.caFile });
    const found = await to.fetchManifest("v1").catch((error: unknown) => (error as { code?: string }).code);
    expect(found).toBe(code);
  });

  it("names a proxy that refuses", async () => {
    const proxy = await proxyTo("127.0.0.1:1", 407);
    const to = open("registry.example.test/demo/filter:v1", { env: { HTTPS_PROXY: proxy.url } });
    await expect(to.fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining(`${new URL(proxy.url).host} answered 407`),
    });
  });

  it("names a proxy that is not there", async () => {
    const to = open("registry.example.test/demo/filter:v1", { env: { HTTPS_PROXY: "http://127.0.0.1:1" } });
    await expect(to.fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: "cannot reach registry.example.test: the proxy 127.0.0.1:1 does not answer (ECONNREFUSED)",
    });
  });

  it("goes over a proxy with plain http, and leaves out what NO_PROXY names", async () => {
    const registry = await plainRegistry();
    const proxy = await proxyTo(registry.host);
    const env = { http_proxy: proxy.url, no_proxy: "localhost, .internal.test" };
    await pushTestImage(open("registry.example.test:8080/demo/filter:v1", { env, plainHttp: true }), image);
    expect(proxy.log[0]).toMatch(/^HEAD http:\/\/registry\.example\.test:8080\/v2\/demo\/filter\/blobs\/|^POST http/u);
    const before = proxy.log.length;
    const past = open("registry.internal.test/demo/filter:v1", { env, plainHttp: true });
    await expect(past.fetchManifest("v1")).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    await open(`${registry.host}/demo/filter:v1`, { env }).fetchManifest("v1");
    expect(proxy.log).toHaveLength(before);
  });

  it("refuses a proxy variable that is no URL", async () => {
    const to = open("registry.example.test/a:v1", { env: { HTTPS_PROXY: "socks5://127.0.0.1:1" } });
    await expect(to.fetchManifest("v1")).rejects.toMatchObject({ code: "PROXY_INVALID", kind: "usage" });
  });

  it("names a port where nobody listens, at once", async () => {
    const [port = 0] = await freePorts(1);
    const clock = fakeClock();
    await expect(open(`127.0.0.1:${port}/a:v1`, { clock }).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      kind: "unreachable",
      message: `cannot reach 127.0.0.1:${port}: the connection was refused`,
    });
    expect(clock.waits).toEqual([]);
  });

  it("speaks to IPv6 addresses", async () => {
    const [port = 0] = await freePorts(1);
    await expect(open(`[::1]:${port}/a:v1`).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining(`[::1]:${port}`),
    });
  });

  it("names a server that does not speak HTTP", async () => {
    const server = createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => void server.close());
    const { port } = server.address() as AddressInfo;
    await expect(open(`127.0.0.1:${port}/a:v1`).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });

  it.each([
    ["is not there", "nowhere.pem", undefined],
    ["is no certificate", "ca.pem", "hello"],
    ["is a damaged certificate", "ca.pem", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"],
  ])("refuses a CA file that %s", async (_name, name, content) => {
    const caFile = join(tempDir(), name);
    if (content !== undefined) await writeFile(caFile, content);
    await expect(open("127.0.0.1:1/a:v1", { caFile }).fetchManifest("v1")).rejects.toMatchObject({
      code: "CA_FILE_INVALID",
      kind: "usage",
    });
  });
});
