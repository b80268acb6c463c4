import { describe, expect, it, type TestContext } from "vitest";
import { findingsOf } from "../../src/images/check-findings.ts";
import { examineModule } from "../../src/images/examine-module.ts";
import { runSmoke, type SmokeRun } from "../../src/images/smoke-streams.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { judgeHosts } from "../../src/wasm/hosts/judge-hosts.ts";
import { need } from "../components/require-component.ts";
import { fixture, helloFixtures } from "../components/wasm-fixtures.ts";

/** The filter whose plugin configuration is a script. */
async function scripted(context: TestContext): Promise<Uint8Array> {
  return await need(context, "filters", async () => await fixture("c-script"));
}

/** Runs it with that configuration; what is said of it, by code and message. */
function tried(module: Uint8Array, config: string): { run: SmokeRun; said: string[] } {
  const run = runSmoke({ module, config, rootId: "", vmConfig: "" }, { onCallback: () => undefined });
  const context = { report: checkModule(module), config, rootId: "", rootIds: [] };
  const found = findingsOf(context, { durationMs: 0, ...run });
  return { run, said: found.map(({ code, severity, message }) => `${severity} ${code} ${message}`) };
}

const CALLOUT = 'rqh: http any {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1';

/** Script, and what must be said of it; nothing else may be. */
const CASES: readonly (readonly [string, string, readonly RegExp[]])[] = [
  ["nothing", "", []],
  ["what is right", "rqh: get 0 :path; add 0 x-a 1\nrsh: get 2 :status\nrsb: buf 1 0 9", []],
  ["continue_stream(1) before a response", "rqh: continue 1", [/^warning STREAM_CONTINUE_WITHOUT_RESPONSE .*crashes/u]],
  ["continue_stream(0) and Continue", "rqh: continue 0", [/^warning STREAM_CONTINUE_AND_CONTINUE .*twice/u]],
  [
    "the request map in the response",
    "rsh: get 0 :path",
    [/^warning STREAM_REQUEST_MAP_GONE in proxy_on_response_headers/u],
  ],
  [
    "a request property in the response",
    "rsb: prop request.path",
    [/^warning STREAM_REQUEST_MAP_GONE .*request\.path/u],
  ],
  ["a longer request body", "rqb: set_buf 0 0 0 xx", [/^warning STREAM_CONTENT_LENGTH_LEFT in proxy_on_request_body/u]],
  [
    "a shorter response body",
    "rsb: set_buf 1 0 99 x",
    [/^warning STREAM_CONTENT_LENGTH_LEFT in proxy_on_response_body/u],
  ],
  ["a changed body without its length", "rsh: remove 2 content-length\nrsb: set_buf 1 0 99 x", []],
  ["malformed pairs", "rqh: set_pairs 0 abc", [/^warning STREAM_MALFORMED_PAIRS /u]],
  [
    "a pause nobody ends",
    "rqh: ret 1",
    [/^warning STREAM_HELD .*GET.*request headers/u, /^warning STREAM_HELD .*POST/u],
  ],
  ["a response held", "rsh: ret 1", [/^warning STREAM_HELD .*response headers/u, /^warning STREAM_HELD /u]],
  ["a callout that resumes", `${CALLOUT}\nhcr: effective $stream; continue 0`, []],
  ["a callout that does not", CALLOUT, [/^warning STREAM_HELD /u, /^warning STREAM_HELD /u]],
  ["a timer that resumes", "rqh: set_tick 5000; ret 1\ntick: set_tick 0; effective $stream; continue 0", []],
  ["a local response", "rqh: local 403 d b {} -1", []],
  ["a trap", "rqh: trap", [/^warning STREAM_TRAP the filter traps: .*proxy_on_request_headers/u]],
  ["a rejected configuration", "cfg: ret 0", [/^error CONFIG_REJECTED /u]],
  ["a trap on the configuration", "cfg: trap", [/^error CONFIG_REJECTED .*proxy_on_configure failed/u]],
  ["a panic in the log", "rqh: log 4 \"thread 'main' panicked at lib.rs:1\"", [/^warning FILTER_PANIC .*panicked at/u]],
];

describe("what two streams show of a filter", () => {
  for (const [title, config, expected] of CASES) {
    it(`of ${title}`, async (context) => {
      const { said } = tried(await scripted(context), config);
      expect(said).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
    });
  }

  it("the upstream is reached once by each, or not at all", async (context) => {
    const module = await scripted(context);
    const requests = (config: string): number[] =>
      tried(module, config).run.streams.map(({ upstreamRequests }) => upstreamRequests);
    expect(requests("")).toEqual([1, 1]);
    expect(requests(`${CALLOUT}\nhcr: effective $stream; continue 0`)).toEqual([1, 1]);
    expect(requests("rqh: local 403 d b {} -1")).toEqual([0, 0]);
  });
});

describe("the hello filter in every language", () => {
  for (const name of helloFixtures) {
    it(`${name}: starts, answers, and loads where it should`, async (context) => {
      const module = await need(context, "filters", async () => await fixture(name));
      const filter = { module, config: "hi", rootId: "", rootIds: [] };
      const { report, findings, smoke } = await examineModule(filter, { smoke: true });
      expect(findings).toEqual([]);
      expect(smoke?.streams.map(({ status, ended }) => [status, ended])).toEqual([
        [204, true],
        [200, true],
      ]);
      expect(smoke?.calls).toContain("env.proxy_add_header_map_value");
      const seen = { startCalls: smoke?.startCalls ?? [], calls: smoke?.calls ?? [] };
      const [envoy] = judgeHosts({ report, configSize: 2, ...seen, layout: undefined });
      expect(envoy).toMatchObject({ verdict: "fits", since: name === "go-hello" ? "1.33" : "1.17" });
    });
  }
});
