import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli, spawnCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const TESTS = `# Says hello.
filter: {module: hello.wasm}
tests:
  - name: right
    request: {path: /}
    expect: {response: {status: 200, headers: {hello: world}}}
  - name: wrong <&>
    config: Jo
    request: {path: /}
    expect:
      response:
        status: 404 # a number
        headers: {hello: "there"}   # keep me
`;

/** A folder with a filter and the files given. */
function folder(files: Readonly<Record<string, string>>): string {
  const home = tempDir();
  copyFileSync(HELLO_WASM, join(home, "hello.wasm"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  return home;
}

describe("wasme test", () => {
  test("tells what failed, where, and what came; exit code 1", async () => {
    const home = folder({ "a.test.yaml": TESTS });
    const { code, stdout, stderr } = await runCli(["test"], { home });
    expect(stdout.replaceAll(/\d+ ms/gu, "N ms")).toMatchInlineSnapshot(`
      "✗ a.test.yaml (2 tests, 1 failed) N ms
        ✗ wrong <&>  a.test.yaml:7
          status is "200", expected "404"
            at tests[1].expect.response.status
          header hello is "Jo", expected "there"
            at tests[1].expect.response.headers.hello
          calls
            proxy_on_vm_start(1, 0)
            proxy_on_vm_start → 1
            proxy_on_configure(1, 2)
              proxy_get_buffer_bytes("plugin configuration", 0, 2) → Ok "Jo"
            proxy_on_configure → 1
            proxy_on_context_create(2, 1)
            proxy_on_response_headers(2, 3, 1)
              proxy_add_header_map_value("response headers", "hello", "Jo") → Ok
            proxy_on_response_headers → 0 (continue)

      Tests 1 failed, 1 passed in N ms
      "
    `);
    expect([code, stderr]).toEqual([1, ""]);
  });

  test("is quiet when all is well, and finds files in folders but for those of others", async () => {
    const passing = TESTS.slice(0, TESTS.indexOf("  - name: wrong"));
    const elsewhere = passing.replace("hello.wasm", "../hello.wasm");
    const home = folder({
      "a.test.yaml": passing,
      "b/c.test.yml": elsewhere,
      "b/d.test.json": '{"filter": {"module": "../hello.wasm"}, "tests": [{"name": "starts"}]}',
      "node_modules/x/e.test.yaml": "nonsense: 1",
      ".git/f.test.yaml": "nonsense: 1",
    });
    const { code, stdout } = await runCli(["test"], { home });
    expect(stdout.replaceAll(/\d+ ms/gu, "N ms")).toBe(
      "✓ a.test.yaml (1 test) N ms\n✓ b/c.test.yml (1 test) N ms\n✓ b/d.test.json (1 test) N ms\n\nTests 3 passed in N ms\n",
    );
    expect(code).toBe(0);
    expect((await runCli(["test", "b/c.test.yml", "--module", "hello.wasm", "-q"], { home })).stdout).toBe("");
  });

  test("mistakes in a file are told with their places before anything runs; exit code 2", async () => {
    const home = folder({
      "a.test.yaml": TESTS.replace("status: 404", "stauts: 404").replace("config: Jo", "confg: Jo"),
    });
    const { code, stdout, stderr } = await runCli(["test"], { home });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n").slice(0, 2)).toEqual([
      'Error: a.test.yaml:8:5: unknown key "confg" in a test; did you mean "config"?',
      '  a.test.yaml:12:9: unknown key "stauts" in an expected response; did you mean "status"?',
    ]);
    expect((await runCli(["test", "none.yaml"], { home })).stderr).toContain("there is no file or folder none.yaml");
    expect((await runCli(["test"], { home: tempDir() })).stderr).toContain("there is no test file in this folder");
    expect((await runCli(["test", "-t", "("], { home })).code).toBe(2);
    const module = await runCli(["test", "hello.wasm"], { home });
    expect(module).toMatchObject({
      code: 2,
      stderr: "Error: hello.wasm is a module, not a test file\nHint: wasme test --module hello.wasm\n",
    });
  });

  test("reports as TAP, JUnit and JSON, and into a file", async () => {
    const home = folder({ "a.test.yaml": TESTS });
    const tap = await runCli(["test", "--reporter", "tap"], { home });
    expect(tap.stdout.split("\n").slice(0, 5)).toEqual([
      "TAP version 14",
      "1..2",
      "ok 1 - a.test.yaml > right",
      "not ok 2 - a.test.yaml > wrong <&>",
      "  ---",
    ]);
    const junit = await runCli(["test", "--reporter", "junit", "--reporter-file", "out.xml"], { home });
    expect(junit.stdout).toContain("1 failed, 1 passed");
    const xml = readFileSync(join(home, "out.xml"), "utf8");
    expect(xml).toContain('<testsuites name="wasme" tests="2" failures="1" errors="0" skipped="0"');
    expect(xml).toContain('<testcase name="wrong &lt;&amp;&gt;" classname="a.test.yaml" file="a.test.yaml" line="7"');
    expect(xml).toContain('<failure message="status is &quot;200&quot;, expected &quot;404&quot;"');
    const json = await runCli(["test", "--reporter", "json"], { home });
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: "TestReport", version: 1, passed: 1, failed: 1 });
    expect([tap.code, junit.code, json.code]).toEqual([1, 1, 1]);
    const nowhere = await runCli(["test", "--reporter", "junit", "--reporter-file", "hello.wasm/out.xml"], { home });
    expect(nowhere).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("cannot write") });
  });

  test("--update writes what came and keeps everything else", async () => {
    const home = folder({ "a.test.yaml": TESTS });
    const { code, stdout } = await runCli(["test", "--update"], { home });
    expect(readFileSync(join(home, "a.test.yaml"), "utf8")).toBe(
      TESTS.replace("status: 404", "status: 200").replace('"there"', "Jo"),
    );
    expect(stdout).toBe(`a.test.yaml
-12:         status: 404 # a number
+12:         status: 200 # a number
-13:         headers: {hello: "there"}   # keep me
+13:         headers: {hello: Jo}   # keep me
`);
    expect(code).toBe(0);
    expect((await runCli(["test"], { home })).code).toBe(0);
    expect((await runCli(["test", "--update"], { home })).stdout).toBe("No expectation was changed.\n");
  });

  test("--watch runs again after a change and ends with Ctrl-C", async () => {
    const home = folder({ "a.test.yaml": TESTS });
    const { child, result } = spawnCli(["test", "--watch"], { home });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text: string) => (out += text));
    const until = async (text: string): Promise<void> => {
      while (!out.includes(text)) await new Promise((resolve) => setTimeout(resolve, 20));
      out = out.slice(out.indexOf(text) + text.length);
    };
    await until("1 failed, 1 passed");
    writeFileSync(join(home, "a.test.yaml"), TESTS.replace("404", "200").replace("there", "Jo"));
    await until("2 passed");
    writeFileSync(join(home, "hello.wasm"), "no module");
    await until("2 failed");
    copyFileSync(HELLO_WASM, join(home, "hello.wasm"));
    await until("2 passed");
    writeFileSync(join(home, "a.test.yaml"), "test: 1");
    await until("Hint: docs/reference/test-files.md");
    await until("Waiting for changes (Ctrl-C ends it)");
    writeFileSync(join(home, "a.test.yaml"), TESTS);
    await until("1 failed, 1 passed");
    child.kill("SIGINT");
    expect((await result).code).toBe(130);
  });

  test("--schema prints the schema of the documentation", async () => {
    const { stdout } = await runCli(["test", "--schema"], { home: tempDir() });
    const page = join(import.meta.dirname, "../../docs/reference/test-file.schema.json");
    expect(stdout).toBe(readFileSync(page, "utf8"));
  });
});
