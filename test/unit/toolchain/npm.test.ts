import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runProcess } from "../../../src/platform/process-runner.ts";
import { runNpm } from "../../../src/toolchain/npm.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** What an npm that wasme runs finds in its environment. */
async function retryTimeout(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = tempDir();
  const script = "#!/bin/sh\nenv | grep -i ^npm_config_fetch_retry | cut -d= -f2\n";
  await writeFile(join(folder, "npm"), script, { mode: 0o755 });
  const deps = {
    exec: runProcess,
    env: { PATH: `${folder}:/usr/bin:/bin`, ...env },
    signal: new AbortController().signal,
    paths: { home: folder, tmp: folder },
  };
  const { lines } = await runNpm(deps, { args: ["ci"], folder }, () => undefined);
  return lines;
}

describe("a registry that cannot be reached", () => {
  it("is asked again after a second, not after ten", async () => {
    expect(await retryTimeout({})).toEqual(["1000"]);
  });

  it("is asked again when the user said, in small or large letters", async () => {
    expect(await retryTimeout({ npm_config_fetch_retry_mintimeout: "20000" })).toEqual(["20000"]);
    expect(await retryTimeout({ NPM_CONFIG_FETCH_RETRY_MINTIMEOUT: "20000" })).toEqual(["20000"]);
  });
});
