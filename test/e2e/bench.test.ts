import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { BenchResult } from "../../src/sandbox/bench/bench-filter.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const home = makeTempDir("wasme-bench-");

beforeAll(async () => {
  writeFileSync(join(home, "hello.wasm"), await fixture("c-hello"));
  writeFileSync(join(home, "script.wasm"), await fixture("c-script"));
  writeFileSync(join(home, "script.txt"), "rqh: local 403 no denied {} -1");
  writeFileSync(
    join(home, "hello.test.yaml"),
    "tests:\n- {name: first, expect: {configure: accepted}}\n- {name: post, request: {path: /a, body: hello}, upstream: {status: 404}}\n",
  );
  writeFileSync(
    join(home, "google.textpb"),
    'env { num_additional_streams: 300 } test { name: "a" } test { name: "b" benchmark: true num_chunks: 2 request_headers { input { content: "GET /x HTTP/1.1" } }\n' +
      'request_body { input { content: "abcd" } } response_body { input { content: "ef" } } }',
  );
});

describe("wasme bench", () => {
  it("tells what a stream costs, in words a stranger understands", async () => {
    const { code, stdout } = await runCli(["bench", "hello.wasm", "--requests", "200"], { home, cwd: home });
    expect(code).toBe(0);
    const figures = stdout.replaceAll(/\d[\d.]*/gu, "0").replaceAll(/ +/gu, " ");
    expect(figures).toContain("hello.wasm (0 B): 0 streams in 0 rounds, in turn with a filter that does nothing");
    expect(figures).toContain(
      "Microseconds in this host, on this machine: to compare with each other, not with Envoy's.",
    );
    for (const line of [
      "one stream 0 µs",
      "create 0 µs proxy_on_context_create",
      "response headers 0 µs proxy_on_response_headers",
      "times an empty filter 0",
      "host calls a stream 0",
      "proxy_add_header_map_value 0",
      "flat over 0 streams",
      "compile 0 ms",
      "first stream 0 µs",
    ])
      expect(figures).toContain(line);
  });

  it("gives the figures as JSON, another filter's beside them", async () => {
    const args = ["bench", "hello.wasm", "--against", "script.wasm", "--requests", "100", "-o", "json"];
    const { code, stdout } = await runCli(args, { home, cwd: home });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: "BenchResult",
      version: 1,
      filter: { name: "hello.wasm", digest: expect.stringMatching(/^sha256:/u) as string },
      against: { name: "script.wasm" },
      cold: { compileMs: { median: expect.any(Number) as number }, firstStream: {} },
      warm: {
        streams: 100,
        rounds: 20,
        hostCalls: { perStream: 1, byName: [{ name: "proxy_add_header_map_value", perStream: 1, failed: 0 }] },
        memory: { flat: true, bytesPerStream: 0 },
        against: { verdict: expect.stringMatching(/^(?:faster|slower|same)$/u) as string },
      },
    });
  });

  it("says what becomes of the stream, with a configuration and a test's request", async () => {
    const config = ["--config", "@script.txt", "--test", "hello.test.yaml", "--requests", "20"];
    const { code, stdout } = await runCli(["bench", "script.wasm", ...config], { home, cwd: home });
    expect(code).toBe(0);
    expect(stdout).toContain("Note: the filter answers this request itself, with 403");
  });

  it("keeps the streams open that a file of Google's asks for: more than this filter has room for", async () => {
    const args = ["bench", "script.wasm", "--test", "google.textpb", "--requests", "20"];
    const { code, stderr } = await runCli(args, { home, cwd: home });
    expect(stderr).toContain("the filter trapped while it was measured");
    expect(code).toBe(1);
  });

  it("takes the stream of a test of Google's, the first one that asks for a benchmark", async () => {
    const script = "rqh: get 0 :path\nrqb: buf 0 0 9\nrsb: buf 1 0 9";
    const args = [
      "bench",
      "script.wasm",
      "--config",
      script,
      "--test",
      "google.textpb",
      "--open-streams",
      "2",
      "--requests",
      "20",
      "-o",
      "json",
    ];
    const { code, stdout } = await runCli(args, { home, cwd: home });
    expect(code).toBe(0);
    const { byName } = (JSON.parse(stdout) as BenchResult).warm.hostCalls;
    expect(byName).toContainEqual({ name: "proxy_get_header_map_value", perStream: 1, failed: 0 });
    expect(byName).toContainEqual({ name: "proxy_get_buffer_bytes", perStream: 4, failed: 0 });
  });

  it.each([
    [["nothing.wasm"], 2, "there is no file or folder nothing.wasm"],
    [["hello.wasm", "--requests", "0"], 2, "--requests 0 is not 1 or more"],
    [["hello.wasm", "--header", "x"], 2, '"x" is no header'],
    [["hello.wasm", "--test", "hello.test.yaml", "--case", "pots"], 2, 'hello.test.yaml has no test "pots"'],
    [["hello.wasm", "--body", "@gone"], 2, "--body: cannot read gone"],
    [["hello.test.yaml"], 7, "hello.test.yaml does not load"],
    [["script.wasm", "--config", "rqh: trap"], 1, "the filter trapped while it was measured"],
    [["script.wasm", "--config", "cfg: ret 0"], 1, "the filter did not start"],
  ])("refuses %j", async (args, code, told) => {
    const result = await runCli(["bench", ...args], { home, cwd: home });
    expect(result.stderr).toContain(told);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe("");
  });
});
