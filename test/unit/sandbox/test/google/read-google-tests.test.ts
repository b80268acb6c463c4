import { describe, expect, it } from "vitest";
import {
  isGoogleTestFile,
  printGoogleTests,
  readGoogleTests,
} from "../../../../../src/sandbox/test/google/read-google-tests.ts";

const textproto = String.raw`
env { log_level: DEBUG time_secs: 9 config_path: "a/b.json" }
test {
  name: "all phases"
  chunk_size: 3
  properties { path: "source.address" value: "\001\377" }
  request_headers {
    input { header { key: ":path" value: "/" } header { key: "X-A" value: "b: c" } }
    result {
      has_header { key: "x-b" value: "2" }
      no_header { key: "x-c" }
      headers { regex: "x-d: .*" invert: true }
      immediate { http_status: 403 details: "" }
      body { exact: "no" }
      log { file: "log.txt" }
    }
  }
  request_body { input { content: "12345678" } result { body { exact: "87654321" } } }
  response_body { input { file: "r.data" } }
  stream_destroy { log { exact: "bye" } }
}
# the second
test { name: "empty" plugin_init {} }
`;

const yaml = `
env: {log_level: debug, time_secs: 9, config_path: a/b.json}
tests:
- name: all phases
  body_chunking_plan: {chunk_size: 3}
  properties: {path: source.address, value: "\\x01\\xff"}
  request_headers:
    input:
      headers:
      - {key: ':path', value: /}
      - 'X-A:   b: c '
    result:
      has_header: [{key: x-b, value: 2}]
      no_header: {key: x-c}
      headers:
      - {regex: 'x-d: .*', invert: 'true'}
      immediate: {http_status: 403, details: }
      body: [{exact: no}]
      log: {file: log.txt}
  request_body: [{input: {content: "12345678"}, result: {body: {exact: 87654321}}}]
  response_body: {input: {file: r.data}}
  stream_destroy: {log: [{exact: bye}]}
- name: empty
  plugin_init: {}
`;

describe("a suite", () => {
  it("is the same as textproto and as YAML", async () => {
    const fromText = await readGoogleTests(textproto.replace(String.raw`\377`, String.raw`\303\277`), "a.textpb");
    const fromYaml = await readGoogleTests(yaml, "a.yaml");
    expect(fromYaml.suite).toEqual(fromText.suite);
    expect([...fromText.lines.values()]).toEqual([3, 23]);
    expect([...fromYaml.lines.values()]).toEqual([4, 23]);
  });

  it("is the same in YAML whether names have underscores or capitals, as Protobuf's JSON takes both", async () => {
    const camel = yaml.replace(/_([a-z])(?=\w*["']?\s*:)/gu, (_, letter: string) => letter.toUpperCase());
    expect(camel).toContain("requestHeaders:");
    expect(camel).toContain("bodyChunkingPlan:");
    expect(camel).not.toMatch(/[a-z]_[a-z]+:/u);
    expect(isGoogleTestFile(camel, "a.yaml")).toBe(true);
    const { suite } = await readGoogleTests(camel, "a.yaml");
    expect(suite).toEqual((await readGoogleTests(yaml, "a.yaml")).suite);
  });

  it("prints so that it reads back to the same", async () => {
    const { suite } = await readGoogleTests(textproto, "a.textpb");
    const again = await readGoogleTests(printGoogleTests(suite), "b.textpb");
    expect(again.suite).toEqual(suite);
    expect(again.suite.test[0]?.properties[0]?.value).toBe("\x01\xff");
    expect(again.suite.test[0]?.requestHeaders?.result?.headers).toEqual([{ regex: "x-d: .*", invert: true }]);
  });

  it("may be written with the names and blocks of former years", async () => {
    const former = await readGoogleTests(
      `runtime { wasm_path: "x" min_log_level: 4 }
       test { response_headers { result {
         headers { has_header { key: "a" } no_header { key: "b" } headers_serialized { exact: "c: d" } }
         immediate { http_status: 500 body { exact: "e" } headers { no_header { key: "f" } } no_header { key: "g" } }
       } } }`,
      "old.textpb",
    );
    const today = await readGoogleTests(
      `env { wasm_path: "x" log_level: WARN }
       test { response_headers { result {
         has_header { key: "a" } no_header { key: "b" } headers { exact: "c: d" } no_header { key: "f" } no_header { key: "g" }
         immediate { http_status: 500 } body { exact: "e" }
       } } }`,
      "new.textpb",
    );
    expect(former.suite).toEqual(today.suite);
    expect(printGoogleTests(former.suite)).toBe(printGoogleTests(today.suite));
  });
});

describe("mistakes", () => {
  it.each([
    [
      "a.textpb",
      "test {\n  request_header {}\n}",
      '2:3: Test has no field "request_header"',
      'did you mean "request_headers"?',
    ],
    [
      "a.textpb",
      "test { num_chunks: 2 chunk_size: 3 }",
      '1:22: "chunk_size" and "num_chunks" exclude each other in Test',
      undefined,
    ],
    [
      "a.yaml",
      "tests:\n- request_header: {}",
      '2:3: Test has no field "request_header"',
      'did you mean "request_headers"?',
    ],
    ["a.yaml", "tests:\n- name: a\n  num_chunks: many", '3:15: "num_chunks" is a whole number', undefined],
    [
      "a.yaml",
      "tests:\n- num_chunks: 1\n  body_chunking_plan: {chunk_size: 2}",
      '3:24: "chunk_size" and "num_chunks" exclude each other in Test',
      undefined,
    ],
    [
      "a.yaml",
      "env: {log_level: loud}",
      '1:18: "log_level" is one of UNDEFINED, TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL',
      undefined,
    ],
    [
      "a.yaml",
      "tests:\n- request_headers: {input: {headers: [x]}}",
      '2:39: the header "x" is no text "key: value"',
      undefined,
    ],
    ["a.yaml", "tests: [3]", "1:9: Test is a map of its fields", undefined],
    [
      "tests_config.textpb",
      "# how long\nexpiry_seconds: 3600",
      '2:1: TestSuite has no field "expiry_seconds"',
      "its fields are env, runtime, test; a plugin's configuration is no test file: name the test files, and give it with --config @FILE",
    ],
    [
      "https.textpb",
      "https://example.com/1 test {}",
      '1:1: TestSuite has no field "https"',
      "its fields are env, runtime, test; a plugin's configuration is no test file: name the test files, and give it with --config @FILE",
    ],
    [
      "a.yaml",
      "tests: [",
      "1:9: Flow sequence in block collection must be sufficiently indented and end with a ]",
      undefined,
    ],
  ])("%s %j", async (path, text, told, hint) => {
    await expect(readGoogleTests(text, path)).rejects.toMatchObject({
      code: "TEST_FILE_INVALID",
      message: `${path}:${told}`,
      hint,
    });
  });
});

describe("whose file it is", () => {
  it.each([
    ["tests.textpb", "", true],
    ["a/b.TEXTPROTO", "", true],
    ["a.yaml", yaml, true],
    ["a.yml", "test:\n- plugin_init: {log: {exact: a}}", true],
    ["a.yaml", "tests:\n- name: a\n  request: {path: /}\n  expect: {response: {status: 200}}", false],
    ["a.yaml", "test:\n- name: a\n  streamDestroy: {log: {exact: a}}", true],
    ["a.yaml", "tests:\n- name: a\n  steps:\n  - requestHeaders: {}\n", false],
    ["a.yaml", 'tests:\n- "name": a\n  "steps":\n  - "requestHeaders": {}\n', false],
    ["a.yaml", "filter: {}\ntests:\n- name: a\n  phases:\n  - request_headers: {}\n", false],
    ["a.json", yaml, false],
  ])("%s", (path, text, google) => {
    expect(isGoogleTestFile(text, path)).toBe(google);
  });
});
