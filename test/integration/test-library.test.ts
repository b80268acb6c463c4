import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFilter, runTestFile } from "../../src/index.ts";
import { need } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { failure } from "../support/failure.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ENDLESS, rawFilter } from "./test-support.ts";

describe("a filter opened by a program", () => {
  test("answers requests in virtual time and keeps its state between them", async (context) => {
    const module = await need(context, "c-script", async () => await fixture("c-script"));
    const config = [
      "cfg: set_tick 1000; define 0 ticks =m",
      "tick: increment $m 1; set_data seen yes 0",
      "rqh: add 0 x-added one; add 0 x-added two",
      'rsh: http auth {":path": /check, ":method": GET, ":authority": a} "" {} 500',
    ].join("\n");
    await using filter = await openFilter({ module, config });
    const auth = { to: "auth", expect: { path: "/check" } };
    const answers = { upstream: { status: 201, body: "done" }, callouts: [auth] };
    const first = await filter.request({ path: "/a", body: "héllo" }, answers);
    expect(first.status).toBe(201);
    expect(first.response.body).toBe("done");
    expect(first.upstream).toMatchObject({
      headers: { ":path": "/a", ":method": "POST", "x-added": "one, two" },
      body: "héllo",
    });
    expect(first.logs.some(({ text }) => text.includes("rqh #2"))).toBe(true);
    await filter.advance("3s");
    expect(filter.metrics).toEqual({ ticks: 3 });
    expect(filter.shared).toEqual({ seen: "yes" });
    const second = await filter.request({}, { callouts: [auth] });
    expect(second.status).toBe(200);
    expect(filter.logs.length).toBeGreaterThan(second.logs.length);
    const error = await failure(filter.request({}, { callouts: [{ to: "auth", expect: { path: "/other" } }] }));
    expect([error.code, error.message]).toEqual([
      "FILTER_TEST_FAILED",
      'callout to auth: path is "/check", expected "/other"',
    ]);
    const missing = await failure(filter.request({}, { callouts: [auth, auth] }));
    expect(missing.message).toBe("the callout to auth was not made");
  });

  test("rejects for streams that hang, filters that do not start or do not return, and after close", async (context) => {
    const module = await need(context, "c-script", async () => await fixture("c-script"));
    await using hangs = await openFilter({ module, config: "rqh: ret 1" });
    expect((await failure(hangs.request())).message).toContain("it stands still in request headers");
    expect((await failure(openFilter({ module, config: "cfg: ret 0" }))).code).toBe("FILTER_NOT_STARTED");
    const refused = await failure(openFilter({ module: new Uint8Array(9) }));
    expect([refused.code, refused.message]).toEqual([
      "FILTER_NOT_STARTED",
      "the host refuses the module: Failed to parse corrupted Wasm module",
    ]);
    await using loops = await openFilter({ module: rawFilter(ENDLESS), timeoutMs: 100 });
    expect((await failure(loops.request())).code).toBe("FILTER_STUCK");
    await hangs.close();
    expect((await failure(hangs.request())).code).toBe("FILTER_CLOSED");
  });

  test("a trap is a result: the response is what Envoy answers", async (context) => {
    const module = await need(context, "c-script", async () => await fixture("c-script"));
    await using filter = await openFilter({ module, config: "rqh: trap" });
    expect(await filter.request()).toMatchObject({
      status: 503,
      trap: expect.stringContaining("unreachable") as unknown,
    });
  });
});

test("a test file is run from a path or as a value", async (context) => {
  const module = await need(context, "c-hello", async () => await fixture("c-hello"));
  const cwd = tempDir();
  writeFileSync(join(cwd, "filter.wasm"), module);
  const file = {
    filter: { module: "filter.wasm", config: "Jo" },
    tests: [
      { name: "right", request: {}, expect: { response: { status: 200, headers: { hello: "Jo" } } } },
      { name: "wrong", request: {}, expect: { response: { headers: { hello: "there" } } } },
    ],
  };
  writeFileSync(join(cwd, "a.test.json"), JSON.stringify(file));
  for (const given of [file, "a.test.json"] as const) {
    const { results } = await runTestFile(given, { cwd });
    expect(results.map(({ status }) => status)).toEqual(["passed", "failed"]);
  }
  const error = await failure(runTestFile({ tests: [{ name: "a", reqest: {} }] } as never, { cwd }));
  expect(error.code).toBe("TEST_FILE_INVALID");
});
