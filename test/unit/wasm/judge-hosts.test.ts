import { describe, expect, it } from "vitest";
import { checkModule } from "../../../src/wasm/check-module.ts";
import { ENVOY, HIGRESS, ISTIO, istioOf, NGINX } from "../../../src/wasm/hosts/host-history.ts";
import { compareVersions, HOST_NAMES, type HostVerdict } from "../../../src/wasm/hosts/host-verdict.ts";
import { type AskedHost, judgeHosts } from "../../../src/wasm/hosts/judge-hosts.ts";
import type { JudgedModule } from "../../../src/wasm/hosts/judged-module.ts";
import { PROXY_IMPORTS, WASI_IMPORTS } from "../../../src/wasm/host-imports.ts";
import { importing } from "../../support/module-corpus.ts";
import { filterModule, type ImportSpec, type ModuleSpec } from "../../support/wasm-builder.ts";

const wasi = (name: string, module = "wasi_snapshot_preview1"): ImportSpec => {
  const type = WASI_IMPORTS.find((item) => item.name === name)?.type;
  return { module, name, params: letters(type?.params ?? []), result: letters(type?.results ?? []) };
};
const call = (name: string): ImportSpec => {
  const type = PROXY_IMPORTS.find((item) => item.name === name)?.type;
  return { name, params: letters(type?.params ?? []), result: letters(type?.results ?? []) };
};
const letters = (types: readonly string[]): string => types.map((name) => (name === "i64" ? "l" : "i")).join("");

function judged(bytes: Uint8Array, more: Partial<JudgedModule> = {}): JudgedModule {
  return { report: checkModule(bytes), configSize: 0, startCalls: [], calls: [], layout: undefined, ...more };
}

function one(module: JudgedModule, asked: AskedHost): HostVerdict {
  const [verdict] = judgeHosts(module, [asked]);
  if (verdict === undefined) throw new Error("no verdict");
  return verdict;
}

const loads = (spec: ModuleSpec): JudgedModule => judged(filterModule(spec));

describe("which hosts load a module", () => {
  it("a plain one loads everywhere, from the beginning", () => {
    const verdicts = judgeHosts(judged(filterModule()));
    expect(verdicts.map(({ host }) => host)).toEqual([...HOST_NAMES]);
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(["fits", "fits", "fits", "fits", "fits"]);
    expect(verdicts.map(({ since }) => since)).toEqual(["1.17", "1.9", "2.0", undefined, "2023-07"]);
    expect(verdicts.every(({ evidence, reasons }) => evidence === "read" && reasons.length === 0)).toBe(true);
  });

  const sinces: readonly (readonly [string, ImportSpec, string, string])[] = [
    ["the first functions", wasi("fd_write"), "1.17", "1.9"],
    ["the old name of WASI", wasi("proc_exit", "wasi_unstable"), "1.17", "1.9"],
    ["folders that are open", wasi("fd_prestat_get"), "1.21", "1.13"],
    ["memory that grows", call("emscripten_notify_memory_growth"), "1.24", "1.16"],
    ["what Go needs", wasi("poll_oneoff"), "1.33", "1.25"],
    ["files", wasi("fd_pread"), "1.39", "1.31"],
    ["sockets", wasi("sock_send"), "1.39", "1.31"],
  ];
  it.each(sinces)("names the first version: %s", (_title, item, envoy, istio) => {
    const module = judged(importing(item));
    const onEnvoy = one(module, { host: "envoy" });
    expect([onEnvoy.since, one(module, { host: "istio" }).since]).toEqual([envoy, istio]);
    expect(onEnvoy.evidence).toBe(envoy === "1.39" ? "run" : "read");
    expect(onEnvoy.reasons.map(({ since }) => since)).toEqual(envoy === "1.17" ? [] : [envoy]);
  });

  it("the latest of several imports decides, and only the imports that decide are named", () => {
    const { since, reasons } = one(judged(importing(wasi("path_open"), wasi("fd_tell"), wasi("fd_sync"))), {
      host: "envoy",
    });
    expect(since).toBe("1.39");
    expect(reasons.map(({ subject }) => subject)).toEqual([
      "wasi_snapshot_preview1.fd_tell",
      "wasi_snapshot_preview1.fd_sync",
    ]);
  });

  it("refuses a version that is too old, naming every import it lacks", () => {
    const module = judged(importing(wasi("path_open"), wasi("sched_yield")));
    const old = one(module, { host: "envoy", version: "1.20.3" });
    expect(old).toMatchObject({ verdict: "refused", asked: "1.20.3", since: "1.33", evidence: "read" });
    expect(old.reasons.map(({ since }) => since)).toEqual(["1.21", "1.33"]);
    expect(one(module, { host: "envoy", version: "1.21" }).reasons).toHaveLength(1);
    expect(one(module, { host: "envoy", version: "1.36.4" })).toMatchObject({ verdict: "fits", evidence: "run" });
    expect(one(module, { host: "istio", version: "1.24" }).verdict).toBe("refused");
    expect(one(module, { host: "istio", version: "1.25" }).verdict).toBe("fits");
    expect(one(judged(filterModule()), { host: "envoy", version: "1.16" }).reasons[0]?.message).toMatch(/since 1\.17/u);
  });

  it("counts what start code was seen to call", () => {
    const bytes = importing(wasi("poll_oneoff"), call("emscripten_notify_memory_growth"));
    const growing = judged(bytes, { startCalls: ["env.emscripten_notify_memory_growth"] });
    expect(one(growing, { host: "envoy" })).toMatchObject({ since: "1.37", reasons: [{ rule: "start" }] });
    const polling = judged(bytes, { startCalls: ["wasi_snapshot_preview1.poll_oneoff"] });
    expect(one(polling, { host: "envoy" })).toMatchObject({ since: "1.39", evidence: "run" });
    expect(one(polling, { host: "envoy", version: "1.37" }).verdict).toBe("refused");
  });

  it("a module no proxy loads is refused everywhere, with what to do", () => {
    const verdicts = judgeHosts(judged(importing({ name: "abort", params: "iiii" })));
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(["refused"]));
    expect(verdicts[0]).toMatchObject({ evidence: "run", reasons: [{ rule: "import", subject: "env.abort" }] });
    expect(verdicts[0]?.reasons[0]?.hint).toMatch(/--use abort=/u);
    expect(verdicts.every(({ since }) => since === undefined)).toBe(true);
  });
});

describe("what is special about a host", () => {
  it("Higress has host calls of its own, with their types", () => {
    const redis: ImportSpec = { name: "proxy_redis_call", params: "iiiii", result: "i" };
    const fits = (host: AskedHost["host"], item: ImportSpec): string => one(judged(importing(item)), { host }).verdict;
    expect([fits("higress", redis), fits("envoy", redis), fits("istio", redis)]).toEqual([
      "fits",
      "refused",
      "refused",
    ]);
    expect(fits("higress", { ...redis, params: "i" })).toBe("refused");
    const inject: ImportSpec = { name: "proxy_inject_encoded_data_to_filter_chain", params: "iii", result: "i" };
    expect(one(judged(importing(inject)), { host: "higress" }).since).toBe("2.1.4");
    expect(checkModule(importing(redis)).problems[0]?.hint).toMatch(/only Higress/u);
    expect(checkModule(importing(redis)).capabilities).toEqual([
      { group: "redis-call", functions: ["proxy_redis_call"] },
    ]);
  });

  it("of Higress and rare WASI functions nothing is claimed", () => {
    expect(one(judged(importing(wasi("fd_pread"))), { host: "higress" })).toMatchObject({
      verdict: "unknown",
      reasons: [{ subject: "wasi_snapshot_preview1.fd_pread" }],
    });
  });

  it("Google limits size, memory and what may be called", () => {
    const google = (module: JudgedModule): HostVerdict => one(module, { host: "google" });
    const size = filterModule().byteLength;
    expect(google(judged(filterModule(), { configSize: 2 * 1024 * 1024 - size })).verdict).toBe("fits");
    expect(google(judged(filterModule(), { configSize: 2 * 1024 * 1024 - size + 1 }))).toMatchObject({
      verdict: "refused",
      reasons: [{ rule: "size" }],
    });
    expect(google(loads({ memory: { pages: 256 } })).verdict).toBe("fits");
    expect(google(loads({ memory: { pages: 257 } })).reasons[0]?.message).toMatch(/257 pages .* 256 .*16 MiB/u);
    expect(google(judged(importing(call("proxy_http_call"))))).toMatchObject({
      verdict: "limited",
      reasons: [
        { rule: "call", subject: "env.proxy_http_call", message: "imports proxy_http_call, which fails there" },
      ],
    });
    expect(google(loads({ functions: [{ export: "proxy_on_tick", params: "i" }] })).verdict).toBe("limited");
  });

  it("an SDK that imports and exports everything is not held against a filter, a call that was seen is", () => {
    const all = PROXY_IMPORTS.filter((item) => item.abis.includes("0.2.1")).map((item) => call(item.name));
    const module = filterModule({
      imports: all,
      functions: [
        { export: "proxy_on_request_headers", params: "iii", result: "i" },
        { export: "proxy_on_new_connection", params: "i", result: "i" },
      ],
    });
    const unused = one(judged(module), { host: "google" });
    expect([unused.verdict, unused.reasons.length > 10]).toEqual(["fits", true]);
    const used = one(judged(module, { calls: ["env.proxy_http_call"] }), { host: "google" });
    expect([used.verdict, used.reasons[0]?.message]).toEqual(["limited", "calls proxy_http_call, which fails there"]);
  });

  it("nginx does not offer wasi_unstable and came late to some of WASI", () => {
    const nginx = (item: ImportSpec): HostVerdict => one(judged(importing(item)), { host: "nginx" });
    expect(nginx(wasi("proc_exit", "wasi_unstable"))).toMatchObject({
      verdict: "refused",
      reasons: [{ subject: "wasi_unstable" }],
    });
    expect(nginx(wasi("proc_exit")).since).toBe("2023-07");
    expect(nginx(wasi("sched_yield")).since).toBe("2025-02");
    expect(nginx(call("proxy_grpc_call")).verdict).toBe("limited");
    expect(nginx(call("pthread_equal")).verdict).toBe("unknown");
  });

  it("Istio, Higress and Google look at the image's layout too", () => {
    const layout = ["Istio", "Higress"].map(
      (consumer) => ({ consumer, accepts: false, verdict: "refuses", reason: "one layer" }) as const,
    );
    const verdicts = judgeHosts(judged(filterModule(), { layout }));
    expect(verdicts.map(({ host, verdict }) => [host, verdict])).toEqual([
      ["envoy", "fits"],
      ["istio", "refused"],
      ["higress", "refused"],
      ["google", "fits"],
      ["nginx", "fits"],
    ]);
    expect(verdicts[1]?.reasons[0]).toMatchObject({ rule: "layout", hint: expect.stringMatching(/convert/u) });
  });
});

describe("the data of the hosts", () => {
  it("knows a first version of every function Envoy has", () => {
    const known = (module: string, name: string): boolean =>
      [ENVOY, ISTIO, NGINX].every((history) => {
        const since = history.importSince(module, name);
        return since === undefined ? module === "env" : compareVersions(since, history.newest) <= 0;
      });
    expect(WASI_IMPORTS.filter(({ name }) => !known("wasi_snapshot_preview1", name))).toEqual([]);
    expect(PROXY_IMPORTS.filter(({ name }) => !known("env", name))).toEqual([]);
  });

  it("counts versions as numbers", () => {
    expect(["1.36", "1.9", "1.17", "1.36.4", "2.0"].toSorted(compareVersions)).toEqual([
      "1.9",
      "1.17",
      "1.36",
      "1.36.4",
      "2.0",
    ]);
    expect(istioOf("1.36")).toBe("1.28");
    expect([ISTIO.newest, ISTIO.evidence("1.32")]).toEqual(["1.32", "read"]);
    expect([ENVOY.evidence("1.36.4"), ENVOY.evidence("1.35"), ENVOY.evidence("1.38.3")]).toEqual([
      "run",
      "read",
      "read",
    ]);
    expect(HIGRESS.own.size).toBe(3);
  });
});
