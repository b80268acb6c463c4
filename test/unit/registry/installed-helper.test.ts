import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { installedHelper } from "../../../src/registry/installed-helper.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("installedHelper", () => {
  function path(...programs: readonly string[]): { readonly PATH: string } {
    const dir = tempDir();
    mkdirSync(join(dir, "empty"));
    for (const name of programs) {
      writeFileSync(join(dir, name), "#!/bin/sh\nexit 1\n");
      chmodSync(join(dir, name), 0o755);
    }
    return { PATH: `:${join(dir, "empty")}:${dir}` };
  }

  it.each([
    ["linux", [], undefined],
    ["linux", ["docker-credential-osxkeychain", "docker-credential-ecr-login"], undefined],
    ["linux", ["docker-credential-secretservice"], "secretservice"],
    ["linux", ["docker-credential-pass", "docker-credential-secretservice"], "secretservice"],
    ["linux", ["docker-credential-pass", "pass", "docker-credential-secretservice"], "pass"],
    ["darwin", ["docker-credential-osxkeychain"], "osxkeychain"],
    ["win32", ["docker-credential-wincred.exe"], "wincred"],
    ["win32", ["docker-credential-wincred"], undefined],
    ["aix", ["docker-credential-pass", "pass"], undefined],
  ] as const)("%s with %j: %s", async (platform, programs, name) => {
    expect(await installedHelper(path(...programs), platform)).toBe(name);
  });

  it("does not take a file that cannot be run", async () => {
    const env = path("docker-credential-wincred.exe");
    const file = join(env.PATH.split(":")[2] ?? "", "docker-credential-secretservice");
    writeFileSync(file, "");
    chmodSync(file, 0o644);
    expect(await installedHelper(env, "linux")).toBeUndefined();
  });

  it("finds nothing without PATH", async () => {
    expect(await installedHelper({})).toBeUndefined();
  });
});
