import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readNamedFiles } from "../../../../src/sandbox/test/google/google-files.ts";
import { readGoogleTests } from "../../../../src/sandbox/test/google/read-google-tests.ts";
import { parseTestFile } from "../../../../src/sandbox/test/parse-test-file.ts";
import { planCases } from "../../../../src/sandbox/test/plan-cases.ts";
import { fileReader } from "../../../../src/sandbox/test/values.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const refusal = async (text: string): Promise<string> =>
  await parseTestFile(text, "a.test.yaml").then(
    () => "taken",
    (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
  );

test.each(["[", "{a: ", "- "])("%s without end is refused like any other mistake", async (piece) => {
  expect(await refusal(`tests: ${piece.repeat(20_000)}`)).toMatch(/^TEST_FILE_INVALID: a\.test\.yaml:\d+:\d+: /u);
});

test("aliases that multiply, and anchors that hold themselves, are refused", async () => {
  const names = "abcdefghij".split("");
  const lines = names.slice(1).map((name, at) => `${name}: &${name} [${`*${names[at]},`.repeat(9)}]`);
  expect(await refusal(`a: &a [x]\n${lines.join("\n")}\ntests: *j\n`)).toMatch(/^TEST_FILE_INVALID: .*alias/u);
  expect(await refusal("tests: &a [*a]\n")).toMatch(/^TEST_FILE_INVALID: /u);
});

test.each([`${"9".repeat(400)}h`, "100000h", "1e300"])("a time of %s is refused", async (time) => {
  const text = `tests:\n  - name: x\n    steps: [{advance: ${time}}]\n`;
  expect(await refusal(text)).toBe(
    "TEST_FILE_INVALID: a.test.yaml:3:23: tests[0].steps[0].advance: expected a time of at most 10 years",
  );
  expect(await refusal(text.replace(time, "87000h"))).toBe("taken");
});

test("a matrix that makes more cases than anybody waits for is refused before they are made", async () => {
  const many = Array.from({ length: 2000 }, () => "a");
  const matrix = `matrix: {modules: [${many.join(",")}], configs: [${many.join(",")}]}`;
  const parsed = await parseTestFile(`${matrix}\ntests:\n  - name: x\n    request: {path: /}\n`, "a.test.yaml");
  const find = async (): Promise<never> => {
    throw new Error("nothing is looked for");
  };
  const planned = planCases(parsed, { cwd: "/", find, strict: false, strictBudgets: false });
  await expect(planned).rejects.toMatchObject({
    code: "TEST_FILE_INVALID",
    message: "a.test.yaml: its matrix makes 4000000 cases, and a file has at most 100000",
  });
});

test("files that never end or never begin are not read", async () => {
  const folder = tempDir();
  execFileSync("mkfifo", [join(folder, "pipe")]);
  writeFileSync(join(folder, "plain"), "text");
  const read = fileReader(folder);
  for (const path of ["pipe", "/dev/zero", "."]) {
    expect(() => read(path)).toThrow(`cannot read ${path}: it is no regular file`);
  }
  expect(read("plain")).toBe("text");
  expect(read("../../../../../../../../../../../etc/passwd")).toContain("root:");
  const { suite } = await readGoogleTests(
    'test { name: "x" request_headers { input { file: "pipe" } } }',
    join(folder, "a.textpb"),
  );
  const files = await readNamedFiles(suite, join(folder, "a.textpb"));
  expect(files.get("pipe")).toEqual({ problem: `cannot read pipe (from ${folder}): it is no regular file` });
});
