import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a pattern that would take for ever fails its test by name, and the next test runs", async () => {
  const home = tempDir();
  copyFileSync(HELLO_WASM, join(home, "filter.wasm"));
  const letters = "a".repeat(50);
  writeFileSync(
    join(home, "filter.test.yaml"),
    `filter: { module: filter.wasm }
tests:
  - name: never ends
    request: {}
    upstream: { headers: { letters: ${letters}! } }
    expect: { response: { headers: { letters: { matches: "(a+)+$" } } } }
  - name: ends
    request: {}
    upstream: { headers: { letters: ${letters}! } }
    expect: { response: { headers: { letters: { matches: "^a+!$" } } } }
`,
  );
  const { stdout, stderr, code } = await runCli(["test", "-o", "json"], { home });
  expect(stderr).not.toContain("Error:");
  const report = JSON.parse(stdout) as { files: unknown };
  expect(report).toMatchObject({ passed: 1, failed: 1 });
  expect(JSON.stringify(report)).toContain("/(a+)+$/ was not decided within 1 s on a text of 51 characters");
  expect(code).toBe(1);
});
