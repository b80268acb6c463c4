/**
 * What a filter costs in Envoy: CPU time of the worker thread per request, the AssemblyScript starter against the C
 * fixture and no filter at all.
 *
 *   node test/bench/filter-cost.mjs [--rounds 9] [--seconds 4] [--filter FILE.wasm] [--other FILE.wasm]…
 *
 * Needs `wrk` and `taskset` (Debian packages wrk and util-linux), npm, and the Envoy of the tests or `ENVOY_PATH`.
 *
 * One Envoy per variant, one worker each, all started before the first round and pinned to the last core; wrk drives
 * one after the other from the first core, in an order that changes every round. The figure is the worker thread's own
 * run time counter, so it stays usable on a busy machine, where requests per second do not. Rounds are paired: what
 * counts is the median of the differences within the rounds, printed with every round.
 */
import { spawn, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cacheRoot } from "../components/cache.mjs";

const GOAL_MICROSECONDS = 1;
const ROOT = new URL("../..", import.meta.url).pathname;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "4" },
    filter: { type: "string" },
    other: { type: "string", multiple: true, default: [] },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

const work = mkdtempSync(join(tmpdir(), "wasme-filter-cost-"));
const running = [];
try {
  await main();
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  const envoy = findEnvoy();
  const variants = [
    { name: "none" },
    { name: "c", wasm: join(ROOT, "test/fixtures/filters/c-hello/filter.wasm") },
    { name: "as", wasm: values.filter ?? buildStarter() },
    ...values.other.map((wasm, index) => ({ name: `other${index + 1}`, wasm })),
  ];
  for (const variant of variants) Object.assign(variant, await start(envoy, variant));

  console.log(`µs of Envoy CPU per request, ${rounds} paired rounds of ${seconds} s; differences within each round`);
  for (const variant of variants) measure(variant, 2);
  const table = [];
  for (let round = 0; round < rounds; round++) {
    const figures = {};
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(i + round) % variants.length];
      figures[variant.name] = measure(variant, seconds);
    }
    table.push(figures);
    const cells = variants.map(({ name }) => `${name} ${figures[name].toFixed(2)}`);
    console.log(
      `round ${String(round + 1).padStart(2)}: ${cells.join("  ")}   as-c ${difference(figures, "as", "c").toFixed(2)}`,
    );
  }
  for (const { name } of variants.slice(1))
    print(
      `${name} over none`,
      table.map((row) => difference(row, name, "none")),
    );
  for (const { name } of variants.slice(3))
    print(
      `${name} over c`,
      table.map((row) => difference(row, name, "c")),
    );
  const median = print(
    "as over c",
    table.map((row) => difference(row, "as", "c")),
  );
  const verdict = median <= GOAL_MICROSECONDS ? "met" : "missed";
  console.log(`goal: median of "as over c" at most ${GOAL_MICROSECONDS} µs: ${verdict}`);
  if (verdict === "missed") process.exitCode = 1;
}

function difference(figures, a, b) {
  return figures[a] - figures[b];
}

function print(label, numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  console.log(`${label}: ${sorted.map((n) => n.toFixed(2)).join(" ")}  median ${median.toFixed(2)}`);
  return median;
}

/** Drives one Envoy for a while; µs of its worker's run time per request. */
function measure({ pid, thread, port }, duration) {
  const before = runTime(pid, thread);
  const url = `http://127.0.0.1:${port}/`;
  const output = execFileSync("taskset", ["-c", "0", "wrk", "-t1", "-c8", `-d${duration}s`, url], { encoding: "utf8" });
  const used = runTime(pid, thread) - before;
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`Envoy did not answer every request:\n${output}`);
  return used / 1000 / Number(/(\d+) requests in/.exec(output)[1]);
}

/** Nanoseconds on the CPU so far. */
function runTime(pid, thread) {
  return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
}

async function start(envoy, { name, wasm }) {
  const folder = mkdtempSync(join(work, `${name}-`));
  if (wasm) cpSync(wasm, join(folder, "filter.wasm"));
  writeFileSync(join(folder, "envoy.json"), JSON.stringify(bootstrap(Boolean(wasm))));
  const flags = ["--concurrency", "1", "--disable-hot-restart", "--admin-address-path", "admin.addr", "-l", "warning"];
  const child = spawn("taskset", ["-c", String(cpus().length - 1), envoy, "-c", "envoy.json", ...flags], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  running.push(child);
  const admin = await poll(
    () => existsSync(join(folder, "admin.addr")) && readFileSync(join(folder, "admin.addr"), "utf8"),
  );
  const port = await poll(async () => {
    const listeners = await fetch(`http://${String(admin)}/listeners`).then((response) => response.text());
    return Number(/^main::.*:(\d+)$/m.exec(listeners)?.[1]);
  });
  const { headers } = await poll(() => fetch(`http://127.0.0.1:${String(port)}/`));
  if (headers.has("hello") !== Boolean(wasm)) throw new Error(`${name}: header hello is ${headers.get("hello")}`);
  const threads = readdirSync(`/proc/${child.pid}/task`);
  const thread = threads.find(
    (id) => readFileSync(`/proc/${child.pid}/task/${id}/comm`, "utf8").trim() === "wrk:worker_0",
  );
  return { pid: child.pid, thread, port };
}

async function poll(attempt) {
  for (let tries = 0; tries < 500; tries++) {
    const result = await Promise.resolve()
      .then(attempt)
      .catch(() => undefined);
    if (result) return result;
    await sleep(20);
  }
  throw new Error("Envoy did not start within 10 seconds");
}

function type(name) {
  return `type.googleapis.com/${name}`;
}

function bootstrap(withFilter) {
  const wasm = {
    name: "filter",
    typed_config: {
      "@type": type("envoy.extensions.filters.http.wasm.v3.Wasm"),
      config: {
        name: "filter",
        root_id: "add_header",
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: "filter.wasm" } } },
      },
    },
  };
  const router = {
    name: "envoy.filters.http.router",
    typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") },
  };
  const manager = {
    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "main",
    http_filters: withFilter ? [wasm, router] : [router],
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok\n" } } }],
        },
      ],
    },
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }];
  return {
    admin: { address },
    static_resources: { listeners: [{ name: "main", address, filter_chains: [{ filters }] }] },
  };
}

/** The template, built with its own script in a copy of its folder. */
function buildStarter() {
  const folder = join(work, "starter");
  for (const part of ["_common", "add-header"]) {
    cpSync(join(ROOT, "templates/assemblyscript", part), folder, { recursive: true });
  }
  execFileSync("npm", ["ci", "--silent"], { cwd: folder, stdio: "inherit" });
  execFileSync("npm", ["run", "--silent", "asbuild"], { cwd: folder, stdio: "inherit" });
  return join(folder, "build/release.wasm");
}

/** `ENVOY_PATH`, or the Envoy that the tests keep in their cache. */
function findEnvoy() {
  const path = process.env["ENVOY_PATH"] ?? join(cacheRoot(), "envoy-1.40.0/envoy");
  if (existsSync(path)) return path;
  throw new Error(`no Envoy at ${path}: run the tests once, which install it, or set ENVOY_PATH`);
}
