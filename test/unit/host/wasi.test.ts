import { describe, expect, it } from "vitest";
import { Host } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { WASI_IMPORTS, WASI_MODULES } from "../../../src/wasm/host-imports.ts";
import { component } from "../../components/require-component.ts";
import { filterModule } from "../../support/wasm-builder.ts";
import { recordingEnvironment } from "./support/recording.ts";
import { scriptModule, Scripted } from "./support/scripted.ts";

const found = await component("clang", () => scriptModule());
const missing = "skip" in found ? found.skip : "";
const module = "skip" in found ? new Uint8Array() : found.ready;

/** What the script fills results with before a call. */
const UNTOUCHED = 0xaaaaaaaa;
const SHORT: Readonly<Record<string, string>> = { i32: "i", i64: "l" };

describe("WASI", () => {
  it("offers every function under both names", () => {
    const imports = WASI_MODULES.flatMap((from) =>
      WASI_IMPORTS.map(({ name, type }) => ({
        module: from,
        name,
        params: type.params.map((each) => SHORT[each]).join(""),
        result: type.results.map((each) => SHORT[each]).join(""),
      })),
    );
    expect(imports).toHaveLength(90);
    const body = imports.flatMap(({ params, result }, index) => [
      ...Array.from(params, (letter) => (letter === "l" ? [0x42, 0] : [0x41, 0])).flat(),
      0x10,
      index,
      ...(result === "" ? [] : [0x1a]),
    ]);
    const bytes = filterModule({ imports, functions: [{ export: "proxy_on_tick", params: "i", body }] });
    const environment = recordingEnvironment();
    const started = new Host({ environment }).start(loadModule(bytes), pluginConfig());
    if (!started.started) throw new Error(started.message);
    started.plugin.tick();
    expect(environment.reports).toEqual([]);
    expect(started.plugin.failed).toBe(false);
  });

  it.each([
    [1, 2, 58],
    [2, 2, 58],
    [0, 1, 8],
    [1, 3, 8],
  ])("renumbers nothing: %d to %d is %d", (from, to, errno) => {
    const imports = [{ module: "wasi_unstable", name: "fd_renumber", params: "ii", result: "i" }];
    const body = [0x41, from, 0x41, to, 0x10, 0, 0x41, errno, 0x47, 0x04, 0x40, 0x00, 0x0b];
    const bytes = filterModule({ imports, functions: [{ export: "proxy_on_tick", params: "i", body }] });
    const started = new Host({ environment: recordingEnvironment() }).start(loadModule(bytes), pluginConfig());
    if (!started.started) throw new Error(started.message);
    started.plugin.tick();
    expect(started.plugin.failed).toBe(false);
  });

  it.skipIf(missing !== "")(`writes to the log, one trailing newline less${missing && `: ${missing}`}`, () => {
    const run = new Scripted(
      module,
      'rqh: fd_write 1 "one " "two\\n\\n"; fd_write 2 "bad\\n"; fd_write 3 x; fd_write 1 ""',
    );
    const lines = run.environment.lines;
    const stream = run.stream();
    stream.filter.decodeHeaders(stream.request, true);
    expect(
      lines.filter(({ source }) => source !== "log").map(({ level, source, text }) => [level, source, text]),
    ).toEqual([
      ["info", "stdout", "one two\n"],
      ["error", "stderr", "bad"],
    ]);
    expect(
      run
        .said()
        .filter((line) => line.startsWith("fd_write"))
        .map((line) => line.split("->")[1]),
    ).toEqual([" 0 9", " 0 4", " 8 0", " 0 0"]);
  });

  it.skipIf(missing !== "")(`answers as Envoy does${missing && `: ${missing}`}`, () => {
    const calls = {
      environ_sizes_get: "0 2 10",
      args_sizes_get: "0 0 0",
      "clock_time_get 1 0": "0 time",
      "clock_time_get 2 0": "58",
      "clock_res_get 0": "0 1",
      "clock_res_get 9": "58",
      "random_get 65537": "28",
      "random_get 9": "0",
      sched_yield: "0",
      "poll_oneoff 1": "0 0",
      "fd_close 5": "0",
      "fd_fdstat_get 0": "8",
      "fd_fdstat_get 1": "0",
      "fd_fdstat_set_flags 1 0": "52",
      "fd_prestat_get 3": "8",
      "fd_prestat_dir_name 3 1": "52",
      "fd_read 0 1": "52",
      "fd_seek 0 0 0": `0 ${UNTOUCHED}`,
      "fd_sync 1": "0",
      "fd_sync 3": "8",
      "fd_tell 1": "0 0",
      "fd_tell 0": "8",
      "sock_send 1 1 0": "58 written",
      "path_unlink_file 3 1": "58",
    };
    const run = new Scripted(module, `rqh: ${Object.keys(calls).join("; ")}`, {
      plugin: {
        environment: new Map([
          ["A", "1"],
          ["BB", "ä"],
        ]),
      },
    });
    const said = run.stream().requestHeaders(true).slice(3);
    expect(said.map((line) => line.split(" -> ")[1])).toEqual(Object.values(calls));
  });
});
