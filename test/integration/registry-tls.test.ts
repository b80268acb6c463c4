import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it, type TestContext } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { aptProgram } from "../components/apt.ts";
import { createServerIdentity, type ServerIdentity } from "../components/certificates.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { startProxy } from "../support/fault-proxy.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Certificates of both sides, what is left out for whom, and what of a connection is used again. */
describe("TLS with a registry", () => {
  const closing: (() => Promise<void> | void)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  interface TestServer extends ServerIdentity {
    /** `127.0.0.1:PORT`. */
    readonly host: string;
    /** Common names of client certificates, one for each request; empty without one. */
    readonly clients: readonly string[];
    /** Whether each connection resumed a session. */
    readonly resumed: readonly boolean[];
  }

  interface Serving {
    /** What the certificate is for; default the address it listens on. */
    readonly name?: string;
    readonly address?: string;
    readonly options?: ServerOptions;
    readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  }

  async function serve(context: TestContext, serving: Serving = {}): Promise<TestServer> {
    const { address = "127.0.0.1", name = address, options = {}, answer = notFound } = serving;
    const identity = await identify(context, name);
    const [cert, key] = await Promise.all([readFile(identity.certificate), readFile(identity.key)]);
    const clients: string[] = [];
    const resumed: boolean[] = [];
    const server = createServer({ cert, key, ...options }, (request, response) => {
      clients.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? "");
      answer(request, response);
    });
    server.on("secureConnection", (socket) => resumed.push(socket.isSessionReused()));
    server.on("tlsClientError", () => undefined);
    server.listen(0, address);
    await once(server, "listening");
    closing.push(() => stop(server));
    const { port } = server.address() as AddressInfo;
    return {
      ...identity,
      host: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
      clients,
      resumed,
    };
  }

  function identify(context: TestContext, name: string): Promise<ServerIdentity> {
    return need(context, "openssl", () => createServerIdentity(tempDir(), name));
  }

  function open(host: string, options: Partial<RegistryClientOptions> = {}): Repository {
    const client = createRegistryClient({ env: {}, clock: fakeClock(), idleTimeoutMs: 3000, ...options });
    closing.push(() => client.close());
    return client.repository(parseImageReference(`${host}/demo/filter:v1`));
  }

  async function configFile(registries: Record<string, Record<string, unknown>>): Promise<string> {
    const file = join(tempDir(), "registries.json");
    await writeFile(file, JSON.stringify({ registries }));
    return file;
  }

  async function proxyTo(host: string): Promise<{ HTTPS_PROXY: string }> {
    const proxy = await startProxy(host);
    closing.push(() => proxy.close());
    return { HTTPS_PROXY: proxy.url };
  }

  it("shows a client certificate where it is asked for", async (context) => {
    const me = await identify(context, "me.example.test");
    const options = { requestCert: true, rejectUnauthorized: true, ca: await readFile(me.caFile) };
    const server = await serve(context, { options });
    const files = { certFile: me.certificate, keyFile: me.key };
    expect(await open(server.host, { caFile: server.caFile, ...files }).resolve("v1")).toBeUndefined();
    expect(server.clients).toEqual(["me.example.test"]);
    const config = { [server.host]: { caFile: server.caFile, ...files } };
    expect(await open(server.host, { configFile: await configFile(config) }).resolve("v1")).toBeUndefined();
    expect(server.clients).toEqual(["me.example.test", "me.example.test"]);
  });

  it.for([
    ["TLSv1.2", "^TLS with HOST failed: \\S+ alert handshake failure$"],
    ["TLSv1.3", "^HOST wants a client certificate$"],
  ] as const)("says that one is wanted: %s", async ([maxVersion, message], context) => {
    const options = { requestCert: true, rejectUnauthorized: true, maxVersion };
    const server = await serve(context, { options });
    await expect(open(server.host, { caFile: server.caFile }).resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringMatching(new RegExp(message.replace("HOST", server.host), "u")),
      hint: expect.stringContaining("--cert-file"),
    });
  });

  it("shows it to nobody the registry sends us to, nor leaves out the check there", async (context) => {
    const me = await identify(context, "me.example.test");
    const options = { requestCert: true, rejectUnauthorized: false };
    const other = await serve(context, { options, address: "127.0.0.2" });
    const location = `https://${other.host}/elsewhere`;
    const registry = await serve(context, {
      options,
      answer: (_request, response) => void response.writeHead(307, { location }).end(),
    });
    const mine = { certFile: me.certificate, keyFile: me.key, insecure: true };
    await expect(open(registry.host, mine).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining(other.host),
    });
    expect([registry.clients, other.clients]).toEqual([["me.example.test"], []]);
    const file = { configFile: await configFile({ [registry.host]: { ...mine } }) };
    await expect(open(registry.host, file).fetchManifest("v1")).rejects.toMatchObject({
      message: expect.stringContaining(other.host),
    });
    expect(other.clients).toEqual([]);
    await open(registry.host, { ...file, caFile: other.caFile }).fetchManifest("v1");
    expect(other.clients).toEqual([""]);
  });

  it("checks the certificate of a token server elsewhere, though the registry's is not checked", async (context) => {
    const tokens = await serve(context, { address: "127.0.0.2" });
    const registry = await serve(context, {
      answer: (_request, response) => {
        response
          .writeHead(401, { "www-authenticate": `Bearer realm="https://${tokens.host}/token",service="s"` })
          .end();
      },
    });
    await expect(open(registry.host, { insecure: true }).resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining(tokens.host),
    });
  });

  it("leaves out the check for the very host registries.json names", async (context) => {
    const first = await serve(context);
    const second = await serve(context);
    const file = await configFile({ [first.host]: { insecure: true } });
    expect(await open(first.host, { configFile: file }).resolve("v1")).toBeUndefined();
    await expect(open(second.host, { configFile: file }).resolve("v1")).rejects.toMatchObject({ code: "REGISTRY_TLS" });
  });

  it("keeps one connection for requests that follow each other", async (context) => {
    const server = await serve(context);
    const repository = open(server.host, { caFile: server.caFile });
    for (let i = 0; i < 3; i++) await repository.resolve("v1");
    expect(server.resumed).toEqual([false]);
  });

  it.for([false, true])("resumes its session with a new connection; over a proxy: %s", async (proxied, context) => {
    const closes = (_request: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(404, { connection: "close", "content-length": 0 }).end();
    };
    const name = proxied ? "registry.example.test" : "127.0.0.1";
    const server = await serve(context, { name, answer: closes });
    const env = proxied ? await proxyTo(server.host) : {};
    const repository = open(proxied ? name : server.host, { caFile: server.caFile, env });
    for (let i = 0; i < 3; i++) await repository.resolve("v1");
    expect(server.resumed).toEqual([false, true, true]);
  });

  it("speaks to an IPv6 address, and checks its certificate", async (context) => {
    const server = await serve(context, { address: "::1" });
    expect(await open(server.host, { caFile: server.caFile }).resolve("v1")).toBeUndefined();
    const wrong = await serve(context, { address: "::1", name: "::2" });
    await expect(open(wrong.host, { caFile: wrong.caFile }).resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining("another host name"),
    });
  });

  it("trusts the authorities of --ca-file and those of NODE_EXTRA_CA_CERTS, and keeps neither for others", async (context) => {
    const first = await serve(context);
    const second = await serve(context);
    const env = { NODE_EXTRA_CA_CERTS: second.caFile };
    const both = { env, caFile: first.caFile };
    for (const { host } of [first, second]) expect(await open(host, both).resolve("v1")).toBeUndefined();
    for (const { host } of [first, second]) {
      await expect(open(host, { env: {}, plainHttp: false }).resolve("v1")).rejects.toMatchObject({
        code: "REGISTRY_TLS",
      });
    }
  });

  it("says that a certificate has expired", async (context) => {
    const { caFile, certificate, key } = await identify(context, "127.0.0.1");
    const dir = dirname(certificate);
    const openssl = await aptProgram("openssl");
    const request = join(dir, "request.pem");
    await runOk(openssl, ["req", "-new", "-key", key, "-subj", "/CN=127.0.0.1", "-out", request]);
    const signer = ["-CA", caFile, "-CAkey", join(dir, "ca.key"), "-set_serial", "2"];
    await runOk(openssl, ["x509", "-req", "-in", request, "-days", "-1", ...signer, "-out", join(dir, "old.pem")]);
    const server = await serve(context, {
      options: { cert: await readFile(join(dir, "old.pem")), key: await readFile(key) },
    });
    await expect(open(server.host, { caFile }).resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      message: `cannot trust ${server.host}: its certificate has expired`,
    });
  });

  it("refuses a client certificate that is of no use, and names the file", async (context) => {
    const me = await identify(context, "me.example.test");
    const other = await identify(context, "other.example.test");
    const empty = join(tempDir(), "empty.pem");
    await writeFile(empty, "nothing");
    const encrypted = join(tempDir(), "encrypted.pem");
    await writeFile(encrypted, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    const cases = [
      [me.certificate, other.key, `${other.key} is the key of another certificate`],
      [me.certificate, encrypted, `its key ${encrypted} is encrypted`],
      [empty, me.key, `${empty}: it holds no PEM certificate`],
      [me.certificate, empty, `${empty}: it holds no PEM private key`],
      [join(tempDir(), "nowhere.pem"), me.key, "it does not exist"],
    ] as const;
    for (const [certFile, keyFile, words] of cases) {
      await expect(open("127.0.0.1:1", { certFile, keyFile }).resolve("v1")).rejects.toMatchObject({
        code: "CLIENT_CERT_INVALID",
        kind: "usage",
        message: expect.stringContaining(words),
      });
    }
  });
});

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { "content-length": 0 }).end(); // without it Node closes the connection after a HEAD
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
