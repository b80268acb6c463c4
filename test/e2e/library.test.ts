import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = join(import.meta.dirname, "../..");

it("copies an image by the program in the guide", async ({ onTestFinished }) => {
  const page = readFileSync(join(root, "docs/guide/images.md"), "utf8");
  const [, program = ""] = /^```js\n([\s\S]*?)^```$/mu.exec(page) ?? [];
  const [hub, mirror] = await Promise.all([startHub(), startHub()]);
  onTestFinished(async () => void (await Promise.all([hub.close(), mirror.close()])));
  const home = tempDir();
  const image = `${hub.host}/team/hello:v1`;
  await runCli(["build", "precompiled", HELLO_WASM, "-t", image], { home });
  const pushed = await runCli(["push", "-q", image], { home });
  const copy = `${mirror.host}/team/copy:v2`;
  // From the clone's folder `wasme/oci` means the package itself; the word stands where a script's name would.
  const args = ["--input-type=module", "--eval", program, "copy.mjs", image, copy];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  // Manifest, two blobs (POST and PUT each), manifest.
  expect(stdout).toBe(`${pushed.stdout.trim()} 8\n`);
  expect((await runCli(["pull", "-q", copy], { home: tempDir() })).stdout).toBe(pushed.stdout);
});
