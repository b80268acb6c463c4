import { expect, it } from "vitest";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { HELLO_WASM } from "../support/modules.ts";

const RUNS = 240;
const AT_ONCE = 6;

it(`${RUNS} taggings, ${AT_ONCE} at a time: none lost`, { timeout: 300_000 }, async () => {
  const home = tempDir();
  expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v0"], { home })).code).toBe(0);
  const names = Array.from({ length: RUNS }, (_, i) => `docker.io/library/hello:t${i}`);
  const queue = [...names];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const { code, stderr } = await runCli(["tag", "hello:v0", name], { home });
      expect(code, stderr).toBe(0);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const { stdout } = await runCli(["list", "-o", "name"], { home });
  expect(new Set(stdout.trim().split("\n"))).toEqual(new Set(["docker.io/library/hello:v0", ...names]));
});
