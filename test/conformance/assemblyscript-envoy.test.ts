import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningEnvoy, startEnvoy, envoyPath, validateEnvoy } from "../components/envoy.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { compilerFolder } from "./support/compile-filter.ts";
import { bootstrap, type Listener } from "./support/envoy-config.ts";

const needed = [await component("envoy", envoyPath), await component("assemblyscript", compilerFolder)];
const missing = needed.flatMap((part) => ("skip" in part ? [part.skip] : [])).join("; ");

const LISTENERS: readonly Listener[] = [
  { name: "hello", filters: [{ file: "starter", rootId: "add_header" }] },
  { name: "configured", filters: [{ file: "starter", rootId: "add_header", configuration: "Grüße" }] },
  { name: "no-root-id", filters: [{ file: "starter", rootId: "" }] },
  {
    name: "two",
    filters: [
      { file: "two-filters", rootId: "first", configuration: "1" },
      { file: "two-filters", rootId: "second", configuration: "2" },
    ],
  },
  {
    name: "body",
    upstream: "upstream",
    filters: [{ file: "body-rewrite", rootId: "body_rewrite", configuration: "dog" }],
  },
  { name: "access", upstream: "upstream", filters: [{ file: "access", rootId: "access" }] },
  { name: "observe", upstream: "upstream", filters: [{ file: "observe", rootId: "observe" }] },
  {
    name: "queue",
    filters: [
      { file: "queue", rootId: "worker" },
      { file: "queue", rootId: "sender" },
    ],
  },
];
const FILES = ["starter", "two-filters", "body-rewrite", "access", "observe", "queue"];

let folder: string;
let envoy: RunningEnvoy;
/** What has to end after the tests, last things first. */
const cleanup: (() => unknown)[] = [];

/** Echoes bodies; `/check` allows what does not end in "secret"; `/blocked` is the list of blocked paths. */
function answer(path: string, body: string): { readonly status: number; readonly body: string } {
  if (path === "/blocked") return { status: 200, body: "/banned,/forbidden" };
  if (path === "/large") return { status: 200, body: "cat".repeat(100_000) };
  if (path === "/check") return body.endsWith("secret") ? { status: 401, body: "not you" } : { status: 200, body: "" };
  return { status: 200, body: body === "" ? `a cat at ${path}` : body };
}

beforeAll(async () => {
  if (missing !== "") return;
  folder = await mkdtemp(join(tmpdir(), "wasme-as-envoy-"));
  cleanup.unshift(() => rm(folder, { recursive: true }));
  for (const file of FILES) {
    await writeFile(join(folder, file), await fixture(file === "starter" ? "as-hello" : `as-${file}`));
  }
  const port = await startUpstream();
  const config = bootstrap(LISTENERS, { upstream: port, lists: port, auth: port });
  envoy = await startEnvoy({ directory: folder, config });
  cleanup.unshift(() => envoy.stop());
});

afterAll(async () => {
  for (const step of cleanup) await step();
});

/** A server whose answers say what reached it; its port. */
async function startUpstream(): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body } = answer(request.url ?? "", Buffer.concat(chunks).toString());
      response.writeHead(status, { "content-length": Buffer.byteLength(body) }).end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.unshift(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function ask(listener: string, path = "/", body?: string): Promise<RawResponse> {
  const url = `${await envoy.listenerUrl(listener)}${path}`;
  return rawRequest(body === undefined ? { url } : { url, method: "POST", body });
}

describe.skipIf(missing !== "")(`AssemblyScript filters in Envoy${missing && `: ${missing}`}`, () => {
  it("adds the header, with and without a configuration or a root id", async () => {
    expect((await ask("hello")).headers["hello"]).toBe("world");
    expect((await ask("hello")).headers["hello"]).toBe("world");
    expect(Buffer.from((await ask("configured")).headers["hello"] as string, "latin1").toString()).toBe("Grüße");
    expect((await ask("no-root-id")).headers["hello"]).toBe("world");
    expect(envoy.log()).not.toMatch(/critical|error/);
  });

  it("serves 20,000 requests, every one with the header", async () => {
    const url = await envoy.listenerUrl("configured");
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const worker = async (count: number): Promise<number> => {
      let good = 0;
      for (let index = 0; index < count; index++) if (await hasHello(url, agent)) good++;
      return good;
    };
    expect(await sum(Array.from({ length: 8 }, () => worker(2500)))).toBe(20_000);
    agent.destroy();
  });

  it("runs two filters of one module in one VM", async () => {
    const { headers } = await ask("two");
    expect(headers["first"]).toBe("2, 1");
  });

  it("rewrites bodies of any length", async () => {
    expect((await ask("body", "/x")).text).toBe("a dog at /x");
    expect((await ask("body", "/x", "drop this cat")).text).toBe("< this dog>10<>1");
    expect((await ask("body", "/large")).text).toBe("dog".repeat(100_000));
  });

  it("asks another service and continues or refuses the paused request", async () => {
    expect((await ask("access", "/open")).text).toBe("a cat at /open");
    const refused = await ask("access", "/secret");
    expect([refused.status, refused.text]).toEqual([401, "not you"]);
    expect(envoy.log()).toContain("again: false");
  });

  it("fetches a list at every tick and blocks by it", async () => {
    await waitFor("the list", async () => ((await ask("access", "/banned")).status === 403 ? true : undefined));
    const blocked = await ask("access", "/forbidden");
    expect([blocked.status, blocked.text, blocked.headers["x-reason"], blocked.headers["x-path"]]).toEqual([
      403,
      "blocked\n",
      "list",
      "/forbidden",
    ]);
    expect(envoy.log()).toContain("list of 18 bytes");
  });

  it("counts, measures and reads properties for the access log", async () => {
    await ask("observe", "/a.b");
    const log = await waitFor("the access log", () => /\/a\.b 200 plain - (\d+)/.exec(envoy.log()) ?? undefined);
    expect(Number(log[1])).toBeGreaterThan(1000);
    expect(envoy.log()).toContain("missing: true 1");
    const stats = await rawRequest({ url: `${envoy.adminUrl}/stats?filter=wasmcustom` });
    expect(stats.text).toMatch(/^wasmcustom\.requests: 1$/m);
    expect(stats.text).toMatch(/^wasmcustom\.active: 0$/m);
  });

  it("passes items through a queue", async () => {
    await ask("queue", "/queued");
    const item = await waitFor("the item", () => /item .*/.exec(envoy.log())?.[0]);
    expect(item).toBe("item /queued");
  });

  it("is refused with one clear line when the root id is unknown", async () => {
    const config = bootstrap([{ name: "main", filters: [{ file: "starter", rootId: "typo" }] }], {});
    const { code, log } = await validateEnvoy({ directory: folder, config });
    expect(code).toBe(1);
    expect(log).toContain('no filter is registered for root id "typo"; this module has: add_header');
  });
});

function hasHello(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode === 200 && response.headers["hello"] !== undefined));
      response.on("error", reject);
    }).on("error", reject);
  });
}

async function sum(numbers: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(numbers)).reduce((total, number) => total + number, 0);
}
