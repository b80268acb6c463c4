import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, it } from "vitest";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import { type GuestFunction, webAssembly } from "../../src/host/webassembly.ts";
import { prepareShape } from "../../src/sandbox/bench/bench-stream.ts";
import { measureMemory } from "../../src/sandbox/bench/measure-memory.ts";
import { measureFilter, type MeasureResult } from "../../src/sandbox/bench/measure-filter.ts";
import { defaultShape } from "../../src/sandbox/bench/stream-shape.ts";
import { aptInstall } from "../components/apt.ts";
import { fixture, type FixtureName } from "../components/wasm-fixtures.ts";
import { call, guestModule, OUT } from "../support/guest-program.ts";
import { type Candidate, measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), "wasme-bench-"));

beforeAll(async () => await aptInstall(["time"]));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Milliseconds of CPU time of this process, which other processes do not add to. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * A stream through a filter that adds one header, creation to deletion; the goal is in microseconds of CPU. Each filter is
 * measured in a process of its own, in turn with an empty one (`stream-cost.mjs`).
 */
const HELLO: readonly (readonly [FixtureName, number])[] = [
  ["c-hello", 0.6],
  ["cpp-hello", 0.6],
  ["rust-hello", 0.6],
  ["rust-hello-unknown", 0.6],
  ["go-hello", 1.5],
];

const ROOT = { rootId: "add_header" };
const STREAMS = 200_000;

it("one header added, creation to deletion", async () => {
  const lines: string[] = [];
  for (const [name, goal] of HELLO) {
    lines.push(line(name, await measureAlone(name, await fixture(name)), goal));
  }
  print("one header added, creation to deletion", lines);
});

it("AssemblyScript: what the host adds to the module's own time", async () => {
  const bytes = await fixture("as-hello");
  const result = await measureAlone("as-hello", bytes);
  const floor = ownTime(bytes);
  const share = result.perStream.median - floor;
  print("AssemblyScript, host share", [
    line("as-hello", result, undefined),
    `  ${"with imports that answer a constant".padEnd(38)} ${floor.toFixed(2)} us`,
    `  ${"host share".padEnd(38)} ${share.toFixed(2)} us  ${verdict(share, 1)}`,
  ]);
});

it("nine header calls over 19 headers", () => {
  const long = "x".repeat(117);
  const get = (map: number, name: string) => call("proxy_get_header_map_value", map, name, OUT, OUT + 4);
  const bytes = guestModule({
    callbacks: {
      proxy_on_request_headers: [
        ...[":path", ":authority", "user-agent", "x-long", "x-missing"].map((name) => get(0, name)),
        call("proxy_add_header_map_value", 0, "x-added", "value"),
        call("proxy_replace_header_map_value", 0, "accept", "application/json"),
      ],
      proxy_on_response_headers: [get(2, "content-type"), call("proxy_remove_header_map_value", 2, "etag")],
      proxy_on_log: [],
      proxy_on_delete: [],
      proxy_on_context_create: [],
    },
    answers: { proxy_on_request_headers: 0, proxy_on_response_headers: 0 },
  });
  const shape = defaultShape();
  const requestHeaders = [...shape.requestHeaders.slice(0, -2), "x-long", long];
  const result = measureFilter({
    module: loadModule(bytes),
    config: pluginConfig(),
    shape: { ...shape, requestHeaders },
    streams: STREAMS,
    now: cpu,
  });
  print("nine header calls over 19 headers, one value of 117 bytes", [line("busy", result, 3)]);
});

it("1,000,000 streams: does memory grow", async () => {
  const lines: string[] = [];
  for (const [name] of HELLO) {
    const filter = { module: loadModule(await fixture(name)), config: pluginConfig(ROOT) };
    // Go's runtime ends at a clock that stands at 0.
    const options = { prepared: prepareShape(defaultShape()), now: () => 1 };
    const { pagesAtStart, pagesAtHalf, pagesAtEnd, flat } = measureMemory(filter, options, 1_000_000);
    lines.push(`  ${name.padEnd(20)} ${pagesAtStart} ${pagesAtHalf} ${pagesAtEnd} pages  ${flat ? "flat" : "grows"}`);
  }
  process.stdout.write(`\nmemory at the start, at half, at the end of 1,000,000 streams\n${lines.join("\n")}\n`);
});

const TESTED: readonly (readonly [FixtureName, number])[] = [
  ["c-hello", 7],
  ["cpp-hello", 7],
  ["rust-hello", 7],
  ["as-hello", 7],
  ["go-hello", 15],
];

it("cold wasme test, one case and a hundred", async () => {
  const base: Candidate = { name: "node -e 0", command: process.execPath, args: ["-e", "0"] };
  const candidates: Candidate[] = [base];
  for (const [name, goal] of TESTED) {
    const folder = join(home, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "filter.wasm"), await fixture(name));
    for (const count of [1, 100]) {
      const file = join(folder, `${count}.test.yaml`);
      writeFileSync(file, testFile(count));
      const shown = `${count} of ${name} (goal x${count === 1 ? (goal > 7 ? "-" : "4") : goal})`;
      candidates.push({ name: shown, command: process.execPath, args: [bin, "test", file], env: { HOME: home } });
    }
  }
  report("wasme test, cold", await measure(candidates, 9));
});

async function measureAlone(name: string, bytes: Uint8Array): Promise<MeasureResult> {
  const file = join(home, `${name}.wasm`);
  writeFileSync(file, bytes);
  const script = fileURLToPath(new URL("stream-cost.mjs", import.meta.url));
  const { stdout } = await run(process.execPath, [script, file, ROOT.rootId, String(STREAMS)]);
  return JSON.parse(stdout) as MeasureResult;
}

function testFile(count: number): string {
  const cases = Array.from(
    { length: count },
    (_, index) =>
      `- {name: case ${index}, request: {path: /}, expect: {response: {status: 200, headers: {hello: world}}}}`,
  );
  return `filter: {module: filter.wasm, rootId: add_header}\ntests:\n${cases.join("\n")}\n`;
}

function line(name: string, { perStream, timesEmpty }: MeasureResult, goal: number | undefined): string {
  const range = `${perStream.low.toFixed(2)}-${perStream.high.toFixed(2)}`;
  const figures = `${perStream.median.toFixed(2).padStart(6)} us ${range.padStart(10)}`;
  const times = `x${timesEmpty.median.toFixed(1)} an empty filter`;
  return `  ${name.padEnd(20)} ${figures}  ${times}  ${goal === undefined ? "" : verdict(perStream.median, goal)}`;
}

function verdict(value: number, goal: number): string {
  return `goal ${goal} us: ${value <= goal ? "met" : "missed"}`;
}

function print(title: string, lines: readonly string[]): void {
  process.stdout.write(`\n${title} (CPU time, in turn with an empty filter)\n${lines.join("\n")}\n`);
}

/** Microseconds of CPU a stream takes in a module whose imports all answer 0 and do nothing. */
function ownTime(bytes: Uint8Array): number {
  const { Instance, Module } = webAssembly();
  const module = loadModule(bytes);
  const imports: Record<string, Record<string, unknown>> = {};
  for (const name of module.imports) {
    const dot = name.indexOf(".");
    (imports[name.slice(0, dot)] ??= {})[name.slice(dot + 1)] = () => 0;
  }
  const exports = new Instance(new Module(bytes), imports).exports as Record<string, GuestFunction>;
  const one = (name: string, ...args: number[]): void => void exports[name]?.(...args);
  one("_initialize");
  one("proxy_on_context_create", 1, 0);
  one("proxy_on_vm_start", 1, 0);
  one("proxy_on_configure", 1, 0);
  const rounds: number[] = [];
  let id = 1;
  for (let round = 0; round < 20; round += 1) {
    const began = cpu();
    for (let stream = 0; stream < STREAMS / 20; stream += 1) {
      id += 1;
      one("proxy_on_context_create", id, 1);
      one("proxy_on_request_headers", id, 12, 1);
      one("proxy_on_response_headers", id, 7, 0);
      one("proxy_on_response_body", id, 64, 1);
      one("proxy_on_log", id);
      one("proxy_on_done", id);
      one("proxy_on_delete", id);
    }
    rounds.push(((cpu() - began) * 1000) / (STREAMS / 20));
  }
  return rounds.toSorted((a, b) => a - b)[10] ?? 0;
}
