import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import { aptInstall } from "../components/apt.ts";
import { HELLO_WASM } from "../support/modules.ts";

/**
 * `wasme run` before a small upstream: the proxies on one core, `wrk` (one thread, 32 connections) and upstream on another.
 * All proxies live from the start to the end and serve in short turns, so that what else the machine does meets all of them;
 * requests and CPU time per request, ratios turn by turn to the same proxy without a filter.
 */
const KINDS = ["plain", "bare", "open", "run"] as const;
type Kind = (typeof KINDS)[number];

const NAMES: Readonly<Record<Kind, string>> = {
  plain: "node:http and pipe",
  bare: "the proxy without a filter",
  open: "that with Envoy's rules, unfiltered",
  run: "with a filter in its thread",
};

const ROUNDS = 15;
const SECONDS = 1;
/** Until the compiler of the engine is done: sooner, more of the time is its own than the proxy's. */
const WARM_SECONDS = 4;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const bin = here("../../bin/wasme.js");
const folder = mkdtempSync(join(tmpdir(), "wasme-bench-run-"));
const started: ChildProcess[] = [];

beforeAll(async () => await aptInstall(["wrk"]));
afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

it("requests through a filter, to those without one", async () => {
  const upstream = await start("1", [here("upstream.mjs")]);
  const proxies: Measured[] = [];
  for (const kind of KINDS) {
    const proxy = await start("0", [here("run-proxy.mjs"), kind, upstream.url, HELLO_WASM]);
    wrk(proxy.url, WARM_SECONDS);
    proxies.push({ kind, ...proxy, turns: [] });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < proxies.length; turn += 1) {
      const proxy = proxies[(turn + round) % proxies.length];
      proxy?.turns.push(measure(proxy));
    }
  }
  const base = proxies.find(({ kind }) => kind === "bare")?.turns ?? [];
  const lines = proxies.map(({ kind, turns: of }) => {
    // Both so that more is better: what the CPU time allows is what a machine with nothing else to do would serve.
    const byRate = median(of.map((one, at) => one.rate / (base[at]?.rate ?? Number.NaN))).toFixed(2);
    const byCpu = median(of.map((one, at) => (base[at]?.cpu ?? Number.NaN) / one.cpu)).toFixed(2);
    const rate = median(of.map((one) => one.rate)).toFixed(0);
    const cpu = median(of.map((one) => one.cpu)).toFixed(0);
    return `  ${NAMES[kind].padEnd(36)} ${rate.padStart(7)} requests/s  x${byRate}  ${cpu.padStart(5)} us CPU/request  x${byCpu}`;
  });
  process.stdout.write(
    `\nwasme run (${ROUNDS} times ${SECONDS} s in turn; median of the ratios to the proxy without a filter, by requests and by CPU; load ${loadOf()})\n${lines.join("\n")}\n`,
  );
});

it("from saved to served", async () => {
  const file = join(folder, "filter.wasm");
  copyFileSync(HELLO_WASM, file);
  const served: number[] = [];
  const run = spawn(process.execPath, [bin, "run", file, "--watch", "--listen", "127.0.0.1:0"], {
    env: { ...process.env, HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  started.push(run);
  let text = "";
  run.stderr.setEncoding("utf8").on("data", (more: string) => (text += more));
  const wait = async (done: () => boolean): Promise<void> => {
    const latest = Date.now() + 30_000;
    while (!done()) {
      if (Date.now() > latest) throw new Error(`no sign within 30 s after: ${text.slice(-500)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await wait(() => text.includes('"url"'));
  const original = readFileSync(HELLO_WASM);
  for (let turn = 1; turn <= 20; turn += 1) {
    // A custom section of one byte makes it another module.
    writeFileSync(file, Buffer.concat([original, Buffer.from([0, 3, 1, 0x78, turn])]));
    await wait(() => text.split("savedToServedMs").length > turn);
  }
  for (const [, ms] of text.matchAll(/"savedToServedMs":(\d+)/gu)) served.push(Number(ms));
  run.kill("SIGKILL");
  process.stdout.write(
    `\nfrom saved to served, ${served.length} times: median ${median(served)} ms, ${Math.min(...served)}-${Math.max(...served)} ms; load ${loadOf()}\n`,
  );
});

interface Measured {
  readonly kind: Kind;
  readonly child: ChildProcess;
  readonly url: string;
  readonly turns: Turn[];
}

interface Turn {
  /** Requests per second. */
  readonly rate: number;
  /** Microseconds of CPU time per request. */
  readonly cpu: number;
}

function measure({ child, url }: Measured): Turn {
  const before = cpuOf(child);
  const requests = wrk(url, SECONDS);
  return { rate: requests / SECONDS, cpu: (cpuOf(child) - before) / requests };
}

async function start(core: string, args: readonly string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn("taskset", ["-c", core, process.execPath, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`${args.join(" ")} ended`)));
    child.stdout.setEncoding("utf8").once("data", (line: string) => resolve(line.trim()));
  });
  return { child, url };
}

/** Requests answered in that time. */
function wrk(url: string, seconds: number): number {
  const { stdout } = spawnSync("taskset", ["-c", "1", "wrk", "-t1", "-c32", `-d${seconds}s`, url], {
    encoding: "utf8",
  });
  return Number(/(\d+) requests in/u.exec(stdout)?.[1] ?? Number.NaN);
}

/** Microseconds of CPU time a process has used, all threads. */
function cpuOf({ pid = 0 }: ChildProcess): number {
  const threads = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(threads).map((thread) => {
    return Number(readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ")[0]);
  });
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1000;
}

/** Of this machine, in the last minute. */
function loadOf(): string {
  return loadavg()[0]?.toFixed(1) ?? "";
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
