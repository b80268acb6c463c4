import { readFileSync, writeFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { WasmeError } from "../../../../src/domain/errors.ts";
import { checkTestFile, parseTestFile, testFileSchema } from "../../../../src/sandbox/test/parse-test-file.ts";

const GOOD = `
filter:
  rootId: basic_auth
  config:
    basic_auth_rules: [{prefix: /productpage, request_methods: [GET, POST], credentials: ["ok:test"]}]
tests:
  - name: no credentials
    request: {method: GET, path: /productpage, headers: {x-version: 1.0, x-code: 012, x-flag: true}}
    expect:
      response: {status: 401, headers: {www-authenticate: {matches: "^Basic"}}}
      upstream: never
  - name: external auth pauses the request and answers late
    request: {path: /secret, protocol: http2, body: [{chunk: "he"}, {chunk: "llo"}], trailers: {x-sum: "1"}}
    callouts:
      - to: auth-cluster
        expect: {headers: {":path": /check}}
        answer: {after: 120ms, status: 200, headers: {x-user: jo}}
    expect:
      paused: [request headers]
      upstream: {headers: {x-user: jo}, body: hello}
  - name: token bucket
    given:
      shared: {bucket: {base64: AAAAAAAAAAA=}}
      properties: {source.address: "10.0.0.1:4000", custom: {map: {a: {int: -5}, b: [1][0]}}}
      time: 2026-01-01T00:00:00Z
    steps:
      - {request: {path: /}, expect: {response: {status: 200}}}
      - advance: 1s
    expect: {metrics: {limited: 1}, log: [{level: error, contains: rules}]}
`.replace(", b: [1][0]", "");

async function mistakesOf(text: string): Promise<readonly string[]> {
  try {
    await parseTestFile(text, "a.test.yaml");
  } catch (error) {
    if (error instanceof WasmeError && error.code === "TEST_FILE_INVALID") {
      return error.details?.["mistakes"] as readonly string[];
    }
    throw error;
  }
  return [];
}

describe("a test file", () => {
  test("is read, with texts as they are written and lines to point at", async () => {
    const { file, lineOf } = await parseTestFile(GOOD, "a.test.yaml");
    expect(file.tests.map(({ name }) => name)).toHaveLength(3);
    expect(file.tests[0]?.request?.headers).toEqual({ "x-version": "1.0", "x-code": "012", "x-flag": "true" });
    expect(lineOf(["tests", 1])).toBe(12);
    expect(lineOf(["tests", 2])).toBe(21);
  });

  test("tells every mistake with its place, and what was meant", async () => {
    const text = GOOD.replace("status: 401", "stauts: 401").replace("never", "nevr").replace("120ms", "120 minutes");
    expect(await mistakesOf(text)).toEqual([
      'a.test.yaml:10:18: unknown key "stauts" in an expected response; did you mean "status"?',
      'a.test.yaml:11:17: tests[0].expect.upstream: expected "never", but this is "nevr"',
      'a.test.yaml:17:25: tests[1].callouts[0].answer.after: expected a time like 120ms, 1s or 1m30s, but this is "120 minutes"',
    ]);
  });

  test.for([
    ["tests: [", /a\.test\.yaml:1:\d+: /u],
    ["tests: []", /tests: tests is empty/u],
    ["a: 1\na: 2", /a\.test\.yaml:2:1: Map keys must be unique/u],
    ["[]", /a\.test\.yaml:1:1: expected a test file, a map, but this is a list/u],
    ["", /a test file needs "tests"/u],
    ["x: &a [*a]", /a\.test\.yaml:1:1: /u],
    [
      "tests:\n  - name: a\n    request: {}\n    steps: [{advance: 1s}]",
      /:4:5: a test has "request" already; "steps"/u,
    ],
    ["tests:\n  - name: a\n    request: {body: {base64: 'a b'}}", /expected base64/u],
    [
      "tests:\n  - name: a\n    expect: {response: {body: {matches: '('}}}",
      /not a regular expression: .*(?:Unterminated|group)/u,
    ],
    ["tests:\n  - request: {}", /:2:5: tests\[0\]: a test needs "name"/u],
    [
      "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\ntests: [*c]",
      /alias/u,
    ],
  ] as const)("%s is refused", async ([text, message]) => {
    const [first] = await mistakesOf(text);
    expect(first).toMatch(message);
  });

  test.for([
    [
      "steps: [{advance: 1s}]\n    expect: {response: {status: 200}}",
      "the test has steps: what they answer is expected there",
    ],
    ["expect: {upstream: never}", "the test has no request"],
    ["steps: [{advance: 1s, expect: {paused: []}}]", "the step has no request"],
  ])("an expectation that could not fail is refused: %s", async ([body, why]) => {
    const [first, second] = await mistakesOf(`tests:\n  - name: a\n    ${body}`);
    expect(first).toContain(`nothing can be held against`);
    expect(first).toContain(why);
    expect(second).toBeUndefined();
  });

  test("lists in lists without end are refused", async () => {
    expect((await mistakesOf("[".repeat(20_000)))[0]).toMatch(/a\.test\.yaml:1:/u);
  });

  test("given as a value is checked the same way", () => {
    expect(checkTestFile(parse(GOOD), "here").tests).toHaveLength(3);
    expect(() => checkTestFile({ tests: [{ name: "a", reqest: {} }] }, "here")).toThrow(
      'here: tests[0].reqest: unknown key "reqest" in a test; did you mean "request"?',
    );
  });
});

describe("the JSON Schema", () => {
  const published = new URL("../../../../docs/reference/test-file.schema.json", import.meta.url);
  const text = `${JSON.stringify(testFileSchema(), undefined, 2)}\n`;

  test("is the one in the documentation", () => {
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(published, text);
    expect(readFileSync(published, "utf8")).toBe(text);
  });

  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(testFileSchema());
  const test1 = (body: string): string => `tests:\n  - name: a\n    ${body}`;

  test.for([
    GOOD,
    ...[
      "request: {headers: {a: [1, x], b: null}}",
      "skip: not yet",
      "only: true",
      "workers: 3",
      "expect: {trap: true, warnings: [trap]}",
      "expect: {load: {refused: {contains: abi}}}",
      "steps: [{tick: true}, {tick: other}, {enqueue: {queue: q, message: hi}}, {share: {a: {json: [1]}}}]",
      "streams: [{request: {}, at: 5ms, name: one}]",
      "phases: [{requestHeaders: {headers: {a: b}}, expect: {action: pause}}]",
      "connection: {data: [{downstream: hi}, {close: upstream}], expect: {closed: true}}",
      "bench: {streams: 100, budget: {timesEmpty: 10, hostCalls: 12, memoryPerStream: 0}}",
      "callouts: [{to: x, times: 2, grpc: {messages: [a], status: 5}}]",
      "expect: {metrics: {a: {atLeast: 1}}, queues: {q: [a, {prefix: b}]}}",
      "given: {properties: {a: {uint: '18446744073709551615'}, b: 1.5, c: true}}",
      "config: [1, null, {a: b}]",
    ].map(test1),
  ])("and the parser accept number %#", async (yaml) => {
    expect(await mistakesOf(yaml)).toEqual([]);
    expect(validate(parse(yaml)), JSON.stringify(validate.errors)).toBe(true);
  });

  test.for([
    "tests: []",
    "[]",
    "tests: [{name: a}]\nfilter: {}\nplugins: [{}]",
    "tests: [{name: a}]\nfilter: {module: a, image: b}",
    "tests: [{name: a}]\nunknown: 1",
    "tests: [{name: a}]\nprofile: istio",
    ...[
      "requests: {}",
      "request: {headers: [a]}",
      "request: {headers: {a: {b: c}}}",
      "request: {body: {base64: a, file: b}}",
      "request: {body: {}}",
      "request: {abort: soon}",
      "request: {worker: -1}",
      "request: {}\n    steps: [{advance: 1s}]",
      "steps: [{}]",
      "steps: [{advance: 1s, tick: true}]",
      "streams: [{at: 1s}]",
      "phases: [{requestBody: {endStream: true}}]",
      "callouts: [{expect: {}}]",
      "callouts: [{to: x, answer: {}, grpc: {}}]",
      "expect: {paused: [request]}",
      "expect: {response: {status: []}}",
      "expect: {response: {body: {}}}",
      "expect: {log: [{level: warning}]}",
      "expect: {log: [{}]}",
      "expect: {log: [{text: a, contains: b}]}",
      "expect: {metrics: {a: many}}",
      "bench: {streams: 0}",
      "bench: {budget: {timesEmpty: -1}}",
      "given: {properties: {a: {int: 1, uint: 2}}}",
      "given: {seed: 1.5}",
      "given: {time: yesterday}",
      "connection: {}",
      "workers: many",
      "skip: []",
    ].map(test1),
  ])("and the parser refuse %s", async (yaml) => {
    expect(await mistakesOf(yaml)).not.toEqual([]);
    expect(validate(parse(yaml))).toBe(false);
  });
});
