import { beforeAll, describe, expect, it } from "vitest";
import type { HostModule } from "../../../../../src/host/host-module.ts";
import { loadModule } from "../../../../../src/host/load-module.ts";
import { readGoogleTests } from "../../../../../src/sandbox/test/google/read-google-tests.ts";
import { type GoogleCaseOutcome, runGoogleCase } from "../../../../../src/sandbox/test/google/run-google-case.ts";
import { fixture } from "../../../../components/wasm-fixtures.ts";

let module: HostModule;
beforeAll(async () => {
  module = loadModule(await fixture("c-script"), { profile: "google-tester" });
});

/** Runs the one test of a file with the scripted filter (`test/fixtures/filters/c-script`). */
async function run(script: string, textproto: string): Promise<GoogleCaseOutcome> {
  const { suite } = await readGoogleTests(textproto, "a.textpb");
  const [test] = suite.test;
  if (test === undefined) throw new Error("no test");
  return runGoogleCase({
    module,
    configuration: new TextEncoder().encode(script),
    env: suite.env,
    test,
    index: 0,
    readFile: (path) => {
      if (path === "body.data") return "0123456789";
      throw new Error(`cannot read ${path}`);
    },
  });
}

function told({ failures }: GoogleCaseOutcome): string[] {
  return failures.map(({ path, message }) => `${path}: ${message}`);
}

/** What host calls in a stream were answered with. */
async function lines(script: string, textproto: string): Promise<string[]> {
  const { logs } = await run(script, textproto);
  return logs.filter(({ stream, text }) => stream && text.includes(" -> ")).map(({ text }) => text);
}

function statusIn(line: string): number {
  return Number(/-> (\d+)/u.exec(line)?.[1]);
}

const BOTH = `test { request_headers { input { header { key: "X-One" value: "1" } header { key: ":path" value: "/a" } } }
  request_body { input { content: "hello" } } response_headers { input { header { key: "x-two" value: "2" } } } }`;

describe("the rules of the tester", () => {
  it("show only the headers of the callback under way, whole maps too", async () => {
    const look = "get 0 x-one; pairs 0; get 2 x-two; pairs 2";
    const seen = await lines(`rqh: ${look}\nrqb: ${look}\nrsh: ${look}\nlog: ${look}`, BOTH);
    const statuses = seen.map((line) => /-> (\d+)/u.exec(line)?.[1]);
    expect(statuses.join("")).toBe("0022222222002222");
  });

  it("have shared data and take a tick period, though no tick comes; calls out, queues and metrics are not there", async () => {
    const script = `cfg: set_tick 10; set_data key value 0
rqh: get_data key; set_data key more 0; get_data key; register_queue q; define 0 m
tick: log 2 ticked`;
    const { logs } = await run(script, BOTH);
    const said = logs.map(({ text }) => text);
    expect(said.filter((text) => / (?:set_tick|set_data|get_data) /u.test(text)).map(statusIn)).toEqual([
      0, 0, 0, 0, 0,
    ]);
    expect(said.filter((text) => / (?:register_queue|define) /u.test(text)).map(statusIn)).toEqual([12, 12]);
    expect(said).not.toContain("ticked");
  });

  it("keep the case of names, join what is given twice, and count entries", async () => {
    const script = "rqh: add 0 x-one 2; add 0 Y-New 3; replace 0 :PATH /b; remove 0 x-GONE; map_size 0; pairs 0";
    const outcome = await run(
      script,
      `test { request_headers {
        input { header { key: "X-One" value: "1" } header { key: ":path" value: "/a" } header { key: "x-Gone" } }
        result { headers { exact: "X-One: 1, 2" } headers { exact: "Y-New: 3" } headers { exact: ":path: /b" }
          no_header { key: "X-GONE" } headers { regex: "(?i)x-gone.*" invert: true } } } }`,
    );
    expect(told(outcome)).toEqual([]);
    const text = outcome.logs.map((entry) => entry.text).join("\n");
    expect(text).toMatch(/map_size 0 -> 0 3/u);
    expect(text).toMatch(/pairs 0 -> 0 \{:path: "?\/b"?, X-One: "?1, 2"?, Y-New: "?3"?\}/u);
  });

  it("give a stream the properties of the test and no others", async () => {
    const seen = await lines(
      "rqh: prop request.path; prop source.address; prop plugin_root_id",
      `test { properties { path: "source.address" value: "a\\001b" } request_headers { input { header { key: ":path" value: "/" } } } }`,
    );
    expect(seen.map((line) => /-> (\d+)/u.exec(line)?.[1])).toEqual(["1", "0", "1"]);
  });

  it("hand every piece of a body over by itself, and let it be changed in its middle", async () => {
    const outcome = await run(
      "rqb: buf 0 0 99; set_buf 0 1 1 ZZ; ret 1\nrsb: set_buf 1 99 5 +",
      `test { num_chunks: 3
        request_body { input { file: "body.data" } result { body { exact: "0ZZ23ZZ56ZZ89" } } }
        response_body { input { content: "abc" } result { body { exact: "a+b+c+" } } } }`,
    );
    expect(told(outcome)).toEqual([]);
    const calls = outcome.logs.flatMap(({ text }) => /\brqb #\d+ (.*)/u.exec(text)?.[1] ?? []);
    expect(calls).toEqual(["3 0", "3 0", "4 1"]);
  });

  it("hold the clock still, a millisecond after the epoch or where the file says", async () => {
    const script = "rqh: fd_write 1 start";
    const { logs } = await run(script, `env { time_secs: 9 log_level: WARN } ${BOTH}`);
    expect(logs).toEqual([]);
    const { logs: more } = await run(script, BOTH);
    expect(more.some(({ text, source }) => text === "start" && source === "stdout")).toBe(true);
  });
});

describe("what is checked", () => {
  it("in headers: values, absence, lines", async () => {
    const outcome = await run(
      "rqh: add 0 x-a 1",
      `test { request_headers { result {
        has_header { key: "x-a" value: "2" } has_header { key: "x-b" } no_header { key: "X-A" } has_header {} no_header {}
        headers { regex: "x-a: [2-9]" } headers { regex: "x-(a" } } } }`,
    );
    const at = "test[0].request_headers.result";
    expect(told(outcome)).toEqual([
      `${at}.has_header[0]: header "x-a" is "1", expected "2"`,
      `${at}.has_header[1]: there is no header "x-b"`,
      `${at}.has_header[2]: a header has to have a key`,
      `${at}.no_header[0]: header "X-A" is "1", expected to be absent`,
      `${at}.no_header[1]: a header has to have a key`,
      `${at}.headers[0]: the header is "x-a: 1", expected one that matches x-a: [2-9]`,
      `${at}.headers[1]: bad regex: missing ): x-(a`,
    ]);
    expect(outcome.trace.length).toBeGreaterThan(0);
  });

  it("a response of the filter's own: status, gRPC status, details, headers, body; and no callback after it", async () => {
    const reply = 'rqh: local 403 "no way" denied {X-Why: because} 7';
    const expected = `immediate { http_status: 403 grpc_status: 7 details: "no way" } body { exact: "denied" }
      has_header { key: "x-why" value: "because" } no_header { key: ":path" }`;
    const file = (result: string): string =>
      `test { request_headers { input { header { key: ":path" value: "/" } } result { ${result} } }
        response_headers { result { log { regex: ".*rsh #.*" invert: true } } } }`;
    expect(told(await run(reply, file(expected)))).toEqual([]);
    expect(
      told(await run(reply, file('immediate { http_status: 200 grpc_status: 1 details: "x" } body { exact: "y" }'))),
    ).toEqual([
      'test[0].request_headers.result.body[0]: the body is "denied", expected one that is "y"',
      "test[0].request_headers.result.immediate.http_status: http_status is 403, expected 200",
      "test[0].request_headers.result.immediate.grpc_status: grpc_status is 7, expected 1",
      'test[0].request_headers.result.immediate.details: details is "no_way", expected "x"',
    ]);
    expect(told(await run(reply, file("")))).toEqual([
      "test[0].request_headers.result.immediate: the filter answered the request itself with 403, expected it to go on",
    ]);
    expect(told(await run("", file("immediate { http_status: 403 }")))).toEqual([
      "test[0].request_headers.result.immediate: the filter sent no response of its own, and one is expected",
      expect.stringMatching(
        /result\.log\[0\]: the log line is ".* rsh #2 0 0", expected none that matches \.\*rsh #\.\*$/u,
      ),
    ]);
  });

  it("that nothing pauses", async () => {
    expect(told(await run("rqh: ret 1", BOTH))).toEqual([
      "test[0].request_headers.result.immediate: the filter paused (stop-all-and-watermark), expected it to go on",
    ]);
  });

  it("logs of each phase by itself, from the plugin's start to the stream's end", async () => {
    const log = (name: string): string => `${name}: log 2 in_${name}`;
    const script = ["cfg", "new", "rqh", "rqb", "rsh", "rsb", "done", "log", "del"].map(log).join("\n");
    const only = (name: string): string =>
      `log { exact: "in_${name}" } ${["cfg", "new", "rqh", "rqb", "rsh", "rsb", "log"]
        .filter((one) => one !== name)
        .map((one) => `log { exact: "in_${one}" invert: true }`)
        .join(" ")}`;
    const outcome = await run(
      script,
      `test { plugin_init { ${only("cfg")} } stream_init { ${only("new")} }
        request_headers { result { ${only("rqh")} } } request_body { input { content: "a" } result { ${only("rqb")} } }
        response_headers { result { ${only("rsh")} } } response_body { input { content: "a" } result { ${only("rsb")} } }
        stream_destroy { log { exact: "in_done" } ${only("log")} log { exact: "in_del" } log { exact: "in_nothing" } } }`,
    );
    expect(told(outcome)).toEqual([
      'test[0].stream_destroy.log[9]: there are 9 log lines, expected one that is "in_nothing"',
    ]);
  });

  it("logs of the stream, not what it writes as its root", async () => {
    const outcome = await run(
      "rqh: effective 1; log 2 as_root; effective 2; log 2 as_stream",
      'test { request_headers { result { log { exact: "as_stream" } log { exact: "as_root" invert: true } } } }',
    );
    expect(told(outcome)).toEqual([]);
    expect(outcome.logs.map(({ text }) => text)).toContain("as_root");
  });

  it("a response in a body phase, where one is expected", async () => {
    const outcome = await run(
      "rqb: local 400 d bad {x-a: 1} -1",
      `test { request_body { input { content: "a" } result {
        immediate { http_status: 400 } body { exact: "bad" } has_header { key: "x-a" value: "1" } } } }`,
    );
    expect(told(outcome)).toEqual([]);
  });
});

describe("what ends a case", () => {
  it.each([
    ["rqh: trap", BOTH, "test[0].request_headers: the filter failed: its VM is gone"],
    ["root_done: trap", BOTH, "test[0]: the filter failed when it was shut down"],
    ["cfg: ret 0", BOTH, "test[0]: the plugin did not start (configure): "],
    ["", 'test { request_headers { input { file: "gone" } } }', "test[0].request_headers.input: cannot read gone"],
    [
      "",
      'test { request_headers { input { content: "nonsense" } } }',
      'test[0].request_headers.input: "nonsense" is no',
    ],
    [
      "",
      'test { num_chunks: 2 request_body { input { content: "abc" } } request_body {} }',
      "test[0].request_body: there are 2",
    ],
    [
      "",
      'test { num_chunks: 9 request_body { input { content: "abc" } } }',
      "test[0].request_body[0].input: num_chunks is 9",
    ],
  ])("%s of %s", async (script, file, message) => {
    const found = told(await run(script, file));
    expect(found[0]?.slice(0, message.length)).toBe(message);
    expect(found).toHaveLength(1);
  });
});
