import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Child, startChild } from "../components/child.ts";
import { chromiumPath } from "../components/chromium.ts";
import { need } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { tempDir } from "../support/temp-dir.ts";

const dist = new URL("../../dist/", import.meta.url).pathname;

/** Runs in the page and in a worker of it: a filter, one exchange, and what came of it. */
const RUN = `
import { HeaderMap, Host, HttpExchange, loadModuleAsync, ModuleRefused, pluginConfig } from "/host.js";

export async function load() {
  const bytes = new Uint8Array(await (await fetch("/filter.wasm")).arrayBuffer());
  return loadModuleAsync(bytes);
}

export function run(module, where) {
  const lines = [];
  const clock = { now: () => BigInt(Date.now()) * 1000000n, monotonic: () => BigInt(Math.round(performance.now() * 1e6)) };
  const environment = {
    clock,
    random: (target) => crypto.getRandomValues(target),
    log: (entry) => lines.push(entry.text),
    report: (report) => lines.push(report.message),
  };
  const host = new Host({ environment });
  const started = host.start(module, pluginConfig({ configuration: where }));
  if (!started.started) throw new Error(started.message);
  const seen = [];
  const sink = (side) => ({
    headers: (headers, end) => seen.push(side + " " + (headers.get(":status") ?? headers.get(":path")) + " " + (headers.get("hello") ?? "-") + " " + end),
    data: (bytes, end) => seen.push(side + " " + new TextDecoder().decode(bytes) + " " + end),
    trailers: () => undefined,
    reset: (reason) => seen.push(side + " reset " + reason),
    pause: () => undefined,
  });
  const exchange = new HttpExchange({ filters: [started.plugin], clock, upstream: sink("up"), downstream: sink("down") });
  exchange.requestHeaders(new HeaderMap("request", [[":method", "GET"], [":path", "/p"], [":authority", "h"], [":scheme", "http"]]), true);
  exchange.responseHeaders(new HeaderMap("response", [[":status", "200"]]), false);
  exchange.responseData(new TextEncoder().encode("body"), true);
  host.settle();
  const ended = exchange.ended;
  host.stop();
  return { seen, ended, lines, node: typeof process + " " + typeof Buffer };
}

export async function refusal() {
  try {
    await loadModuleAsync(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  } catch (error) {
    return error instanceof ModuleRefused ? error.message : "another error: " + error;
  }
}
`;

const WORKER = `
import { run } from "/run.js";
onmessage = ({ data }) => postMessage(run(data, "worker"));
`;

const PAGE = `<!doctype html><title>host</title><script type="module">
const answer = (value) => fetch("/answer", { method: "POST", body: JSON.stringify(value) });
try {
  const { load, refusal, run } = await import("/run.js");
  const module = await load();
  const worker = new Worker("/worker.js", { type: "module" });
  const fromWorker = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error("worker: " + event.message));
  });
  worker.postMessage(module);
  await answer({ page: run(module, "page"), worker: await fromWorker, refused: await refusal() });
} catch (error) {
  await answer({ error: String(error) + " " + (error.stack ?? "") });
}
</script>`;

/** Serves the built library, the filter and the page; resolves with what the page sends. */
class Site {
  readonly answer: Promise<unknown>;
  readonly #server: Server;
  readonly #filter: Uint8Array;
  #answered: (value: unknown) => void = () => undefined;

  constructor(filter: Uint8Array) {
    this.#filter = filter;
    this.answer = new Promise((resolve) => {
      this.#answered = resolve;
    });
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? (address?.port ?? 0) : 0}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (path === "/answer") {
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      response.end();
      this.#answered(JSON.parse(Buffer.concat(body).toString()));
    } else if (path === "/") response.setHeader("content-type", "text/html").end(PAGE);
    else if (path === "/filter.wasm") response.setHeader("content-type", "application/wasm").end(this.#filter);
    else {
      const script = path === "/run.js" ? RUN : path === "/worker.js" ? WORKER : await this.#library(path);
      if (script === undefined) response.writeHead(404).end();
      else response.setHeader("content-type", "text/javascript").end(script);
    }
  }

  async #library(path: string): Promise<string | undefined> {
    return readFile(join(dist, path), "utf8").catch(() => undefined);
  }
}

describe("wasme/host in a browser", () => {
  it("runs a filter in the page and, posted as a module, in a worker", async (context) => {
    const chromium = await need(context, "chromium", chromiumPath);
    const site = new Site(await need(context, "c-hello", () => fixture("c-hello")));
    const url = await site.listen();
    const quiet = [
      "--headless=new",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-extensions",
    ];
    const own = ["--no-sandbox", `--user-data-dir=${tempDir()}`];
    const browser: Child = await startChild(chromium, [...quiet, ...own, url]);
    try {
      const lost = browser
        .seen(/a line it never writes/u, 50_000)
        .catch((error: unknown) => ({ error: String(error) }));
      const seen = (where: string): string[] => ["up /p - true", `down 200 ${where} false`, "down body true"];
      const fine = { ended: true, lines: [], node: "undefined undefined" };
      expect(await Promise.race([site.answer, lost])).toEqual({
        page: { ...fine, seen: seen("page") },
        worker: { ...fine, seen: seen("worker") },
        refused: expect.stringMatching(/ABI/u),
      });
    } finally {
      await browser.stop("SIGTERM");
      site.close();
    }
  });
});
