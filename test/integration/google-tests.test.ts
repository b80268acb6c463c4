import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { CaseResult } from "../../src/sandbox/test/case-result.ts";
import { readGoogleTests } from "../../src/sandbox/test/google/read-google-tests.ts";
import { type GoogleRunOptions, runGoogleTests } from "../../src/sandbox/test/google/run-google-tests.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { buildModule } from "../support/wasm-builder.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const folder = makeTempDir("wasme-google-");
const text = new TextEncoder();
let script: Uint8Array;

beforeAll(async () => {
  script = await fixture("c-script");
  mkdirSync(join(folder, "tests"));
  writeFileSync(join(folder, "filter.wasm"), script);
  writeFileSync(join(folder, "tests/beside.wasm"), script);
  writeFileSync(join(folder, "tests/config.txt"), "rqh: add 0 x-a 1; log 2 hello\nrqh#3: trap");
  writeFileSync(join(folder, "tests/request.data"), "GET /a HTTP/1.1\nHost: h\n");
});

async function run(textproto: string, options: Partial<GoogleRunOptions> = {}): Promise<readonly CaseResult[]> {
  const file = await readGoogleTests(textproto, "tests/a.textpb");
  return await runGoogleTests(file, { cwd: folder, ...options });
}

function outcome(results: readonly CaseResult[]): string[] {
  return results.map(({ name, status, failures }) =>
    [name, status, ...failures.map(({ message }) => message)].join(": "),
  );
}

/** Does not return from `proxy_on_request_headers` when there is a header. */
function loopsWithHeaders(): Uint8Array {
  // local.get 1, if, loop, br 0, end, end, i32.const 0
  const body = [0x20, 0x01, 0x04, 0x40, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, 0x41, 0x00];
  return buildModule({
    functions: [
      { export: "proxy_abi_version_0_2_1" },
      { export: "malloc", params: "i", result: "i" },
      { export: "proxy_on_request_headers", params: "iii", result: "i", body },
    ],
  });
}

const CASES = `test { name: "one" request_headers { input { file: "request.data" } result {
    has_header { key: "x-a" value: "1" } has_header { key: ":authority" value: "h" } } } }
  test { name: "two" request_headers { input { file: "gone.data" } } }`;

describe("a file of Google's", () => {
  it("names its module from the working folder or beside it, and its other files beside it", async () => {
    for (const path of ["filter.wasm", "beside.wasm"]) {
      const env = `env { wasm_path: "${path}" config_path: "config.txt" log_path: "lines.log" }`;
      const results = await run(`${env} ${CASES}`);
      expect(outcome(results)).toEqual([
        "one: passed",
        `two: failed: cannot read gone.data (from ${join(folder, "tests")}): there is no such file`,
      ]);
      expect(results[0]).toMatchObject({ file: "tests/a.textpb", line: 1 });
    }
    const lines = readFileSync(join(folder, "lines.log"), "utf8");
    expect(lines).toContain("--- Starting test: one ---\n");
    expect(lines).toContain("\nhello\n");
    expect(lines).toContain("--- Finished test: two ---\n");
  });

  it("gives each test a fresh VM, and says so as soon as one is over", async () => {
    const three = Array.from({ length: 3 }, (_, index) => `test { name: "${index}" request_headers {} }`).join("\n");
    const seen: string[] = [];
    const results = await run(three, {
      module: script,
      configuration: text.encode("rqh#2: trap"),
      select: (name) => name !== "1",
      onResult: ({ name, status }) => seen.push(`${name} ${status}`),
    });
    expect(seen).toEqual(["0 passed", "1 skipped", "2 passed"]);
    expect(results).toHaveLength(3);
  });

  it("is not stopped by a filter that never returns: the next test gets another thread", async () => {
    const results = await run(
      `test { name: "loops" request_headers { input { header { key: "loop" } } } } test { name: "goes on" request_headers {} }`,
      { module: loopsWithHeaders(), hardLimitMs: 300 },
    );
    expect(outcome(results)).toEqual(["loops: failed: the filter did not return within 300 ms", "goes on: passed"]);
  });

  it("makes every test an error when the module is refused", async () => {
    const results = await run(CASES, { module: text.encode("no module") });
    expect(results.map(({ status }) => status)).toEqual(["error", "error"]);
    expect(results[0]?.failures[0]?.path).toBe("env.wasm_path");
  });
});

describe("what is not there", () => {
  it.each([
    ["test {}", "TEST_MODULE_MISSING", "tests/a.textpb names no module to test"],
    ['env { wasm_path: "no.wasm" }', "FILE_UNREADABLE", "wasm_path is no.wasm, and there is no such file"],
    [
      'env { wasm_path: "filter.wasm" config_path: "no" }',
      "FILE_UNREADABLE",
      "config_path is no, and there is no such file",
    ],
  ])("%s", async (file, code, message) => {
    const failing = run(file);
    await expect(failing).rejects.toMatchObject({ code });
    await expect(failing).rejects.toThrow(message);
    expect(existsSync(join(folder, "no.wasm"))).toBe(false);
  });
});
