import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { component } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { compileFilter, compilerFolder, starterFolder, templateFolder } from "./support/compile-filter.ts";
import { FilterDriver } from "./support/filter-driver.ts";
import { buffers, maps } from "./support/proxy-state.ts";

/** Modules by fixture name; "starter" is the template's own filter. */
const modules = new Map<string, Uint8Array>();
const FIXTURES = ["body-rewrite", "access", "observe", "queue", "odds", "two-filters"];
const LEVEL = { info: 2, warn: 3, critical: 5 } as const;

const found = await component("assemblyscript", compilerFolder);
const missing = "skip" in found ? found.skip : "";

beforeAll(async () => {
  if (missing !== "") return;
  modules.set("starter", await fixture("as-hello"));
  for (const name of FIXTURES) modules.set(name, await fixture(`as-${name}`));
});

function drive(name: string): FilterDriver {
  const bytes = modules.get(name);
  if (bytes === undefined) throw new Error(`no fixture ${name}`);
  return new FilterDriver(bytes);
}

/** The list that the access filter keeps in the shared store. */
function blocked(driver: FilterDriver): string {
  return Buffer.from(driver.state.shared.get("blocked")?.value ?? []).toString();
}

/** The fixture with the rarer calls, configured, and one stream. */
function odds(): { driver: FilterDriver; root: number; stream: number } {
  const driver = drive("odds");
  const root = driver.configure({ rootId: "odds", configuration: "1234", vmConfiguration: "settings" }).id;
  return { driver, root, stream: driver.stream(root) };
}

describe.skipIf(missing !== "")(`starter filter${missing && `: ${missing}`}`, () => {
  it("adds hello: world when nothing is configured, without asking the proxy for a configuration", () => {
    const driver = drive("starter");
    const root = driver.configure();
    expect(root.accepted).toBe(true);
    const calls = driver.state.hostCalls;
    const stream = driver.stream(root.id);
    expect(driver.responseHeaders(stream, [[":status", "200"]])).toEqual({
      action: 0,
      headers: [
        [":status", "200"],
        ["hello", "world"],
      ],
    });
    driver.end(stream);
    expect(driver.state.hostCalls - calls).toBe(1);
    expect(driver.state.logs).toEqual([]);
  });

  it("adds the plugin configuration as it is, and follows a changed one", () => {
    const driver = drive("starter");
    const root = driver.configure({ configuration: "Grüße €😀" });
    const hello = (): string | undefined => driver.responseHeaders(driver.stream(root.id), []).headers[0]?.[1];
    expect(hello()).toBe("Grüße €😀");
    const long = "x".repeat(100_000);
    expect(driver.reconfigure(root.id, long)).toBe(true);
    expect(hello()).toBe(long);
    expect(driver.reconfigure(root.id, "")).toBe(true);
    expect(hello()).toBe("world");
  });

  it("exports the callbacks it overrides and imports the functions it uses, no more", () => {
    const driver = drive("starter");
    expect(driver.exports).toEqual([
      "malloc",
      "memory",
      "proxy_abi_version_0_2_1",
      "proxy_on_configure",
      "proxy_on_context_create",
      "proxy_on_delete",
      "proxy_on_response_headers",
      "proxy_on_vm_start",
    ]);
    expect(driver.imports).toEqual([
      "env.proxy_add_header_map_value",
      "env.proxy_get_buffer_bytes",
      "env.proxy_get_property",
      "env.proxy_log",
    ]);
  });

  it("refuses an unknown root id with one clear line, and takes none at all for its own", () => {
    const driver = drive("starter");
    expect(driver.configure({ rootId: "other" }).accepted).toBe(false);
    expect(driver.state.logged(LEVEL.critical)).toEqual([
      'no filter is registered for root id "other"; this module has: add_header',
    ]);
    expect(driver.configure({ rootId: "" }).accepted).toBe(true);
  });

  it("serves a million streams, eight at a time, in flat memory", () => {
    const driver = drive("starter");
    const root = driver.configure({ configuration: "a configured value" });
    const pages: number[] = [];
    const open: number[] = [];
    for (let count = 1; count <= 1_000_000; count++) {
      const stream = driver.stream(root.id);
      open.push(stream);
      driver.responseHeaders(stream, []);
      if (open.length === 8) driver.end(open.splice((count * 7) % 8, 1)[0] ?? 0);
      if (count % 500_000 === 0) pages.push(driver.guest.pages);
    }
    expect(pages[1]).toBe(pages[0]);
    expect(pages[1]).toBeLessThanOrEqual(2);
  }, 120_000);
});

describe.skipIf(missing !== "")(`memory${missing && `: ${missing}`}`, () => {
  it("stays flat over 200,000 streams that read headers and properties, count and log", () => {
    const driver = drive("observe");
    const root = driver.configure({ rootId: "observe" }).id;
    driver.state.property("response.code", new Uint8Array(8));
    const pages: number[] = [];
    for (let count = 1; count <= 200_000; count++) {
      const stream = driver.stream(root);
      driver.requestHeaders(stream, [[":path", "/a/path/of/some/length"]]);
      driver.end(stream);
      driver.state.logs.length = 0;
      if (count % 100_000 === 0) pages.push(driver.guest.pages);
    }
    expect(pages[1]).toBe(pages[0]);
    expect(pages[1]).toBeLessThanOrEqual(2);
  });

  it("stays flat over 50,000 streams that ask another service", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access" }).id;
    const pages: number[] = [];
    for (let count = 1; count <= 50_000; count++) {
      const stream = driver.stream(root);
      driver.requestHeaders(stream, [[":path", "/"]]);
      driver.answer(root, count * 4, [[":status", "200"]]);
      driver.end(stream);
      driver.state.logs.length = 0;
      if (count % 25_000 === 0) pages.push(driver.guest.pages);
    }
    expect(driver.state.resumed.length).toBe(50_000);
    expect(pages[1]).toBe(pages[0]);
  });
});

describe.skipIf(missing !== "")(`building${missing && `: ${missing}`}`, () => {
  it("gives the same module from npm run asbuild as in-process", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wasme-template-"));
    try {
      for (const part of [templateFolder, starterFolder]) await cp(part, folder, { recursive: true });
      await symlink(join(await compilerFolder(), "node_modules"), join(folder, "node_modules"));
      await runOk("npm", ["run", "asbuild"], { cwd: folder });
      expect(
        Buffer.compare(await readFile(join(folder, "build/release.wasm")), modules.get("starter") ?? Buffer.of()),
      ).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("works in a debug build, with assertions and without optimisation", async () => {
    const driver = new FilterDriver(await compileFilter("odds", ["--target", "debug"]));
    expect(driver.imports.filter((name) => !name.startsWith("env.proxy_"))).toEqual([]);
    expect(driver.exports).not.toContain("proxy_on_tick");
    expect(driver.configure({ rootId: "odds" }).accepted).toBe(true);
  });
});

describe.skipIf(missing !== "")(`bodies${missing && `: ${missing}`}`, () => {
  it("collects a response body and replaces it", () => {
    const driver = drive("body-rewrite");
    const stream = driver.stream(driver.configure({ rootId: "body_rewrite", configuration: "dog" }).id);
    const head = driver.responseHeaders(stream, [["content-length", "9"]], false);
    expect(head.headers).toEqual([]);
    expect(driver.responseBody(stream, "a ca", false)).toEqual({ action: 1, body: "a ca" });
    expect(driver.responseBody(stream, "a cat, cät", true)).toEqual({ action: 0, body: "a dog, cät" });
    const large = "cat".repeat(200_000);
    expect(driver.responseBody(stream, large, true).body).toBe("dog".repeat(200_000));
  });

  it("cuts, prepends and appends", () => {
    const driver = drive("body-rewrite");
    const stream = driver.stream(driver.configure({ rootId: "body_rewrite" }).id);
    expect(driver.requestBody(stream, "dropping", false).body).toBe("<ping>5");
    expect(driver.requestBody(stream, "", true).body).toBe("<>1");
  });

  it("lets a body of 1 MiB pass 200 times in flat memory", () => {
    const driver = drive("body-rewrite");
    const root = driver.configure({ rootId: "body_rewrite", configuration: "dog" }).id;
    const body = "x".repeat(1 << 20);
    const pages: number[] = [];
    for (let count = 1; count <= 200; count++) {
      const stream = driver.stream(root);
      driver.responseBody(stream, body, true);
      driver.end(stream);
      if (count % 100 === 0) pages.push(driver.guest.pages);
    }
    expect(pages[1]).toBe(pages[0]);
  });
});

describe.skipIf(missing !== "")(`HTTP calls, timers, shared data and local replies${missing && `: ${missing}`}`, () => {
  it("fetches on a tick and gets the answer on the root context", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access" }).id;
    expect(driver.state.tickPeriod).toBe(1000);
    driver.guest.call("proxy_on_tick", root);
    expect(driver.state.calls[0]).toEqual({
      token: 4,
      cluster: "lists",
      headers: [
        [":method", "GET"],
        [":path", "/blocked"],
        [":authority", "lists"],
      ],
      body: "",
      timeout: 5000,
    });
    driver.answer(root, 4, [[":status", "200"]], "/a,/b");
    expect(blocked(driver)).toBe("/a,/b");
    expect(driver.state.logged(LEVEL.info)).toEqual(["list of 5 bytes"]);
    driver.guest.call("proxy_on_tick", root);
    driver.answer(root, 8, [[":status", "503"]], "no");
    expect(driver.state.logged(LEVEL.warn)).toEqual(["no list: 503"]);
    expect(blocked(driver)).toBe("/a,/b");
  });

  it("loses a write of shared data when somebody else wrote after the read", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access" }).id;
    driver.state.shared.set("blocked", { value: Buffer.from("/old"), cas: 1 });
    driver.guest.call("proxy_on_tick", root);
    driver.state.afterRead = (key) => driver.state.shared.set(key, { value: Buffer.from("/theirs"), cas: 99 });
    driver.answer(root, 4, [[":status", "200"]], "/mine");
    expect(driver.state.logged(LEVEL.info)).toEqual(["lost a race for 5 bytes"]);
    expect(blocked(driver)).toBe("/theirs");
  });

  it("answers a blocked request itself", () => {
    const driver = drive("access");
    const stream = driver.stream(driver.configure({ rootId: "access" }).id);
    driver.state.shared.set("blocked", { value: Buffer.from("/a,/b"), cas: 1 });
    driver.requestHeaders(stream, [[":path", "/b"]]);
    expect(driver.state.localReplies).toEqual([
      {
        status: 403,
        body: "blocked\n",
        headers: [
          ["x-reason", "list"],
          ["x-path", "/b"],
        ],
        details: "blocked_path",
        grpcStatus: 7,
      },
    ]);
    expect(driver.state.calls).toEqual([]);
  });

  it("pauses, asks, and continues or refuses the stream that asked", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access" }).id;
    const [first, second] = [driver.stream(root), driver.stream(root)];
    expect(driver.requestHeaders(first, [[":path", "/1"]]).action).toBe(1);
    expect(driver.requestHeaders(second, [[":path", "/2"]]).action).toBe(1);
    expect(driver.state.calls.map(({ body, timeout }) => [body, timeout])).toEqual([
      ["/1", 250],
      ["/2", 250],
    ]);
    driver.answer(root, 8, [[":status", "401"]], "who are you");
    expect(driver.state.effectiveContext).toBe(second);
    expect(driver.state.localReplies).toMatchObject([
      { status: 401, body: "who are you", headers: [], grpcStatus: -1 },
    ]);
    expect(driver.state.resumed).toEqual([]);
    driver.answer(root, 4, [[":status", "200"]]);
    expect(driver.state.effectiveContext).toBe(first);
    expect(driver.state.resumed).toEqual([0]);
    expect(driver.state.logged(LEVEL.info)).toEqual(["again: false"]);
  });

  it("drops the answer for a stream that is gone, and replies by itself when the call is refused", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access", configuration: "unknown" }).id;
    const stream = driver.stream(root);
    driver.requestHeaders(stream, [[":path", "/"]]);
    expect(driver.state.localReplies).toMatchObject([{ status: 500, body: "" }]);
    driver.reconfigure(root, "");
    driver.requestHeaders(stream, [[":path", "/"]]);
    driver.end(stream);
    driver.answer(root, 4, [[":status", "200"]]);
    expect(driver.state.resumed).toEqual([]);
    driver.answer(root, 444, [[":status", "200"]]);
    expect(driver.state.logs).toEqual([]);
  });

  it("changes trailers, and refuses a configuration it does not like", () => {
    const driver = drive("access");
    const root = driver.configure({ rootId: "access" }).id;
    const stream = driver.stream(root);
    driver.state.headers.set(maps.responseTrailers, [["x-checked", "?"]]);
    expect(driver.guest.call("proxy_on_response_trailers", stream, 1)).toBe(0);
    expect(driver.state.headers.get(maps.responseTrailers)).toEqual([["x-checked", "0"]]);
    expect(driver.reconfigure(root, "bad")).toBe(false);
  });
});

describe.skipIf(missing !== "")(`metrics, properties and the log${missing && `: ${missing}`}`, () => {
  it("defines metrics at first use, reads typed properties and asks for the log level", () => {
    const driver = drive("observe");
    const root = driver.configure({ rootId: "observe" }).id;
    expect(driver.state.metrics).toEqual([]);
    const streams = [driver.stream(root), driver.stream(root)];
    for (const stream of streams) driver.requestHeaders(stream, [[":path", "/a.b"]]);
    expect(driver.state.metrics).toEqual([
      { type: 0, name: "requests", value: 2n },
      { type: 1, name: "active", value: 2n },
      { type: 2, name: "sizes", value: 9n },
    ]);
    const code = Buffer.alloc(8);
    code.writeBigInt64LE(418n);
    driver.state.property("response.code", code);
    driver.state.property("connection.mtls", Uint8Array.of(1));
    driver.state.properties.set("metadata\0filter_metadata\0envoy.lb\0stage", Buffer.from("canary"));
    driver.state.now += 1500n;
    driver.end(streams[0] ?? 0);
    driver.state.logLevel = 1;
    driver.state.properties.clear();
    driver.end(streams[1] ?? 0);
    expect(driver.state.logs.map((line) => line.text)).toEqual([
      "/a.b 418 secure canary 1500",
      "missing: true 1",
      "2 requests, 1 active",
      "- -1 plain - 1500",
      "missing: true 1",
      "2 requests, 0 active",
      "details",
    ]);
  });
});

describe.skipIf(missing !== "")(`several filters in one module and one VM${missing && `: ${missing}`}`, () => {
  it("keeps two plugins apart, by root id and by configuration", () => {
    const driver = drive("two-filters");
    const first = driver.configure({ rootId: "first", configuration: "one" }).id;
    const second = driver.configure({ rootId: "second", configuration: "two" }).id;
    const again = driver.configure({ rootId: "first", configuration: "three" }).id;
    const streams = [first, second, again].map((root) => driver.stream(root));
    expect(streams.map((id) => driver.responseHeaders(id, []).headers)).toEqual([
      [["first", "one"]],
      [["first", "two"]],
      [["first", "three"]],
    ]);
    expect(streams.map((id) => driver.requestHeaders(id, []).headers)).toEqual([[], [["second", "second"]], []]);
    expect(driver.configure({ rootId: "" }).accepted).toBe(false);
    expect(driver.state.logged(LEVEL.critical)).toEqual([
      'no filter is registered for root id ""; this module has: first, second',
    ]);
  });

  it("passes items from one filter's streams to another filter's queue", () => {
    const driver = drive("queue");
    const sender = driver.configure({ rootId: "sender" }).id;
    const stream = driver.stream(sender);
    driver.requestHeaders(stream, [[":path", "/early"]]);
    expect(driver.state.logged(LEVEL.warn)).toEqual(["no queue yet"]);
    const worker = driver.configure({ rootId: "worker" }).id;
    for (const path of ["/1", "/2"]) driver.requestHeaders(stream, [[":path", path]]);
    driver.guest.call("proxy_on_queue_ready", worker, 1);
    driver.guest.call("proxy_on_queue_ready", worker, 1);
    expect(driver.state.logged(LEVEL.info)).toEqual(["item /1", "item /2"]);
    driver.end(driver.stream(worker));
  });
});

describe.skipIf(missing !== "")(`the rest of the interface${missing && `: ${missing}`}`, () => {
  it("reads VM and plugin configuration and answers foreign functions", () => {
    const { driver, root } = odds();
    driver.state.buffers.set(buffers.argument, Buffer.from("argument"));
    driver.guest.call("proxy_on_foreign_function", root, 9, 8);
    expect(driver.state.logged(LEVEL.info)).toEqual(["vm settings", "bytes 4 of odds", "foreign 9 argument"]);
  });

  it("calls foreign functions, known and unknown", () => {
    const { driver, stream } = odds();
    driver.requestHeaders(stream, [["x-command", "foreign"]]);
    driver.state.foreign.set("shout", (argument) => Buffer.from(Buffer.from(argument).toString().toUpperCase()));
    driver.requestHeaders(stream, [["x-command", "foreign"]]);
    expect(driver.state.logged(LEVEL.info).slice(2)).toEqual(["unknown", "HELLO"]);
  });

  it("edits headers one by one and as a list", () => {
    const { driver, stream } = odds();
    const one = driver.requestHeaders(stream, [["x-command", "headers"]]);
    expect(one.headers).toEqual([
      ["x-long", "ä€😀".repeat(500)],
      ["x-many", "3"],
    ]);
    expect(driver.state.logged(LEVEL.info).slice(2)).toEqual(["falsetrue", "truefalse", "true"]);
    const list = driver.requestHeaders(stream, [
      ["x-command", "pairs"],
      ["x-ü", "ö"],
    ]);
    expect(list.headers.slice(1)).toEqual([
      ["x-ü", "ö"],
      ["x-count", "2"],
      ["x-empty", ""],
    ]);
  });

  it("closes a stream, and never asks to continue one that is not paused", () => {
    const { driver, stream } = odds();
    driver.requestHeaders(stream, [["x-command", "close"]]);
    driver.requestHeaders(stream, [["x-command", "continue"]]);
    expect(driver.state.closed).toEqual([0]);
    expect(driver.state.resumed).toEqual([]);
    expect(driver.state.logged(LEVEL.info).at(-1)).toBe("continued: false");
  });

  it("serves TCP connections", () => {
    const { driver, stream } = odds();
    driver.guest.call("proxy_on_new_connection", stream);
    driver.state.buffers.set(buffers.downstream, Buffer.from("bytes"));
    expect(driver.guest.call("proxy_on_downstream_data", stream, 5, 0)).toBe(1);
    driver.guest.call("proxy_on_downstream_connection_close", stream, 2);
    expect(driver.state.logged(LEVEL.info).slice(2)).toEqual(["connected", "bytes", "closed by 2, continued: true"]);
    expect(driver.state.resumed).toEqual([2]);
  });

  it("logs where it trapped, then traps", () => {
    const { driver, stream } = odds();
    expect(() => driver.requestHeaders(stream, [["x-command", "trap"]])).toThrow("unreachable");
    expect(driver.state.logged(LEVEL.critical)).toEqual([
      expect.stringMatching(/^abort: on purpose, \?nd at assembly\/index\.ts:\d+:\d+$/),
    ]);
  });

  it("takes callbacks for root contexts and unknown contexts without a trap", () => {
    const { driver, root } = odds();
    for (const name of driver.exports.filter((callback) => callback.startsWith("proxy_on_"))) {
      if (name === "proxy_on_vm_start" || name === "proxy_on_configure") continue;
      expect(driver.guest.call(name, 12_345, 0, 0), name).toBeLessThanOrEqual(1);
    }
    expect(driver.guest.call("proxy_on_request_headers", root, 0, 1)).toBe(0);
    expect(driver.guest.call("proxy_on_done", root)).toBe(1);
    driver.guest.call("proxy_on_delete", root);
    driver.guest.call("proxy_on_context_create", 77, root);
    expect(driver.guest.call("proxy_on_request_headers", 77, 0, 1)).toBe(0);
  });
});
