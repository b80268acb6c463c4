import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRegistryClient } from "../../src/registry/client.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { openStore } from "../../src/store/image-store.ts";
import { createServerIdentity } from "../components/certificates.ts";
import { freePorts } from "../components/ports.ts";
import { need } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { selfSigned } from "../support/bad-certificates.ts";
import { failure } from "../support/failure.ts";
import type { AuthScript } from "../support/fault-auth.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import { storeTestImage, type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { startProxy, type TestProxy } from "../support/fault-proxy.ts";
import { hasImage, namesIn, wrongFiles } from "../support/fault-run.ts";
import { type CliResult, runCli, spawnCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Certificates, addresses, interruptions, processes; numbered after the list of cases a client is judged by. */

const image: TestImage = testImage(600_000, "cases");
const basic: AuthScript = { kind: "basic", username: "alice", password: "s3cret" };

async function proxyTo(target: string): Promise<TestProxy> {
  const proxy = await startProxy(target);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A home with the image in its store, under the name it has in the registry. */
async function homeWith(bench: Bench): Promise<{ home: string; dir: string; reference: string }> {
  const home = tempDir();
  const dir = join(home, ".wasme", "images");
  await storeTestImage(openStore(dir), image, bench.reference());
  return { home, dir, reference: bench.reference() };
}

describe("17. a certificate", () => {
  const cases = [
    ["that is self-signed", 30, /self-signed/u],
    ["that has expired", -1, /expired/u],
  ] as const;

  it.for(cases)("%s: a named error, nothing sent; --insecure goes on", async ([, days, words], context) => {
    const dir = tempDir();
    const own = await need(context, "openssl", () => selfSigned(dir, "127.0.0.1", days));
    const trusting = days < 0 ? { caFile: own.caFile } : {};
    const bench = await openBench({ auth: basic, registry: { tls: own }, client: trusting });
    await bench.publish(image);
    const error = await failure(bench.pull());
    expect(error).toMatchObject({ code: "REGISTRY_TLS", kind: "unreachable" });
    expect(error.message).toMatch(words);
    expect(error.hint).toMatch(/--ca-file.*--insecure/u);
    expect(bench.registry.requests).toEqual([]);
    const lax = await openBench({ auth: basic, registry: { tls: own }, client: { insecure: true } });
    await lax.publish(image);
    await lax.pull();
    expect(lax.has("local", image)).toBe(true);
  });

  it("that is self-signed: --ca-file trusts it, for the whole pull", async (context) => {
    const dir = tempDir();
    const own = await need(context, "openssl", () => selfSigned(dir, "127.0.0.1", 30));
    const bench = await openBench({ auth: basic, registry: { tls: own }, client: { caFile: own.caFile } });
    await bench.push(image);
    expect(bench.has("registry", image)).toBe(true);
  });

  it("of another host name: a named error, nothing sent", async (context) => {
    const dir = tempDir();
    const identity = await need(context, "openssl", () => createServerIdentity(dir, "other.example.test"));
    const tls = { cert: await readFile(identity.certificate), key: await readFile(identity.key) };
    const bench = await openBench({ auth: basic, registry: { tls }, client: { caFile: identity.caFile } });
    const error = await failure(bench.pull());
    expect(error).toMatchObject({ code: "REGISTRY_TLS" });
    expect(error.message).toContain("another host name");
    expect(bench.registry.requests).toEqual([]);
  });

  it("8. a redirect from https to http: refused, no secret sent", async (context) => {
    const dir = tempDir();
    const own = await need(context, "openssl", () => selfSigned(dir, "127.0.0.1", 30));
    const plain = await openBench();
    const bench = await openBench({ auth: basic, registry: { tls: own }, client: { caFile: own.caFile } });
    await bench.publish(image);
    bench.registry.on("blob.get", fault.status(307, { location: `${plain.registry.url}/v2/stolen` }));
    expect(await failure(bench.pull())).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(plain.registry.requests).toEqual([]);
  });
});

describe("18. plain http", () => {
  it("on loopback: spoken without a flag", async () => {
    const bench = await openBench();
    await bench.push(image);
    expect(bench.has("registry", image)).toBe(true);
  });

  it("elsewhere: https first, never down to http, no credential sent", async () => {
    const bench = await openBench({ auth: basic });
    await bench.publish(image);
    const proxy = await proxyTo(bench.registry.host);
    const asked: string[] = [];
    const open = (plainHttp: boolean): Promise<unknown> => {
      const credentials = (host: string): Promise<{ kind: "basic"; username: string; password: string }> => {
        asked.push(host);
        return Promise.resolve({ kind: "basic", username: "alice", password: "s3cret" });
      };
      const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
      const client = createRegistryClient({ env, plainHttp, credentials });
      onTestFinished(() => client.close());
      return client.repository(parseImageReference("registry.example.test/demo/filter:v1")).fetchManifest("v1");
    };
    const error = await failure(open(false));
    expect(error).toMatchObject({ code: "REGISTRY_SPEAKS_HTTP", hint: expect.stringContaining("--plain-http") });
    expect(bench.registry.requests).toEqual([]);
    expect(asked).toEqual([]);
    expect(proxy.log).toEqual(["CONNECT registry.example.test:443"]);
    expect(await open(true)).toBeDefined();
  });
});

/** Starts a command, ends it by a signal when it is busy, and tells how it ended. */
async function endBy(
  signal: NodeJS.Signals,
  args: readonly string[],
  home: string,
  isBusy: () => boolean,
): Promise<CliResult> {
  const { child, result } = spawnCli(args, { home });
  onTestFinished(() => void child.kill("SIGKILL"));
  await waitFor(`${args.join(" ")} to be busy`, () => (isBusy() ? true : undefined));
  child.kill(signal);
  return await result;
}

describe("34. Ctrl-C", () => {
  it.each([
    ["while a blob is sent", fault.neverRead()],
    ["while its answer is awaited", fault.silence()],
  ])("mid-push, %s: the session is deleted, nothing changes, exit 130", async (_when, script) => {
    const bench = await openBench({ auth: basic });
    const { home, dir, reference } = await homeWith(bench);
    bench.registry.on("upload.put", script);
    const args = ["push", reference, "-u", "alice", "-p", "s3cret"];
    const ended = await endBy("SIGINT", args, home, () => bench.registry.count("upload.put") === 2);
    expect(ended.code, ended.stderr).toBe(130);
    expect(bench.registry.count("upload.delete")).toBe(2);
    expect(await bench.registry.openUploads()).toEqual([]);
    expect(bench.registry.count("manifest.put")).toBe(0);
    expect([namesIn(dir), wrongFiles(dir)]).toEqual([[reference], []]);
  });

  it("mid-push, in pieces: the session is deleted", async () => {
    const bench = await openBench();
    const { home, reference } = await homeWith(bench);
    bench.registry.on(
      ({ kind }) => kind === "upload.patch" && bench.registry.count("upload.patch") === 3,
      fault.silence(),
    );
    const args = ["push", reference, "--chunk-size", "100KB"];
    const ended = await endBy("SIGINT", args, home, () => bench.registry.count("upload.patch") === 3);
    expect(ended.code, ended.stderr).toBe(130);
    expect(bench.registry.count("upload.delete")).toBeGreaterThanOrEqual(1);
    expect(await bench.registry.openUploads()).toEqual([]);
  });

  it("mid-pull: the temporary file is removed, nothing is named, exit 130", async () => {
    const bench = await openBench();
    await bench.publish(image);
    const home = tempDir();
    bench.registry.on(isModule, fault.cutBody(300_000, "stall"));
    const ended = await endBy("SIGINT", ["pull", bench.reference()], home, () =>
      bench.registry.requests.some(isModule),
    );
    expect(ended.code, ended.stderr).toBe(130);
    const dir = join(home, ".wasme", "images");
    expect([namesIn(dir), wrongFiles(dir)]).toEqual([[], []]);
  });
});

describe("35. several processes", () => {
  it("two pull the same reference at once: both right, the store whole", async () => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on(isModule, fault.drip(20, 20));
    const home = tempDir();
    const ended = await Promise.all([1, 2, 3].map(() => runCli(["pull", bench.reference()], { home })));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    const dir = join(home, ".wasme", "images");
    expect(hasImage(dir, bench.reference(), image)).toBe(true);
    expect([namesIn(dir), wrongFiles(dir)]).toEqual([[bench.reference()], []]);
  });

  it("kill -9 between blob and index: nothing named, what arrived is not fetched again", async () => {
    const bench = await openBench();
    await bench.publish(image);
    const home = tempDir();
    const dir = join(home, ".wasme", "images");
    bench.registry.on(({ path }) => path.endsWith(image.configDescriptor.digest), fault.silence(), 1);
    const local = openStore(dir);
    let arrived = false;
    const look = setInterval(() => {
      void local.sizeOf(image.moduleDescriptor.digest).then((size) => (arrived = size !== undefined));
    }, 20);
    const ended = await endBy("SIGKILL", ["pull", bench.reference()], home, () => arrived);
    clearInterval(look);
    expect(ended.signal).toBe("SIGKILL");
    expect(namesIn(dir)).toEqual([]);
    // What was being written then is a draft, which a clean-up takes away.
    expect(wrongFiles(dir).filter((each) => !/^(?:ingest\/)?\.tmp-/u.test(each))).toEqual([]);
    bench.registry.reset();
    expect(await runCli(["pull", bench.reference()], { home })).toMatchObject({ code: 0 });
    expect(hasImage(dir, bench.reference(), image)).toBe(true);
    expect(bench.registry.requests.filter(isModule)).toEqual([]);
  });
});

describe("36. the way there", () => {
  it("by a proxy, and past it for what NO_PROXY names", async () => {
    const bench = await openBench();
    await bench.publish(image);
    const proxy = await proxyTo(bench.registry.host);
    const env = { HTTP_PROXY: proxy.url };
    const far = `registry.example.test:8080/demo/filter:v1`;
    expect(await runCli(["pull", far, "--plain-http"], { home: tempDir(), env })).toMatchObject({ code: 0 });
    expect(proxy.log).toHaveLength(3);
    expect(proxy.log.every((line) => line.startsWith("GET http://registry.example.test:8080/v2/demo/filter/"))).toBe(
      true,
    );
    const [host = ""] = bench.registry.host.split(":");
    const past = { ...env, NO_PROXY: `localhost,${host}` };
    expect(await runCli(["pull", bench.reference()], { home: tempDir(), env: past })).toMatchObject({ code: 0 });
    expect(proxy.log).toHaveLength(3);
  });

  it("to an IPv6 address", async (context) => {
    const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"));
    if (!hasIpv6) context.skip("this machine has no IPv6");
    const bench = await openBench({ registry: { address: "::1" } });
    expect(bench.registry.host).toMatch(/^\[::1\]:\d+$/u);
    await bench.push(image);
    expect(bench.has("registry", image)).toBe(true);
    await bench.pull();
  });

  it("to nobody: a named error at once", async () => {
    const [port = 0] = await freePorts(1);
    for (const [reference, env] of [
      [`127.0.0.1:${port}/demo/filter:v1`, {}],
      ["registry.example.test/demo/filter:v1", { HTTPS_PROXY: `http://127.0.0.1:${port}` }],
    ] as const) {
      const { code, stderr } = await runCli(["pull", reference, "-o", "json"], { home: tempDir(), env });
      const { error } = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as { error: Record<string, string> };
      expect([code, error["code"]]).toEqual([5, "REGISTRY_UNREACHABLE"]);
      expect(error["hint"]).toContain("proxy");
    }
  });
});

/** The module's own requests. */
function isModule({ kind, path }: { readonly kind: string; readonly path: string }): boolean {
  return kind === "blob.get" && path.endsWith(image.moduleDescriptor.digest);
}
