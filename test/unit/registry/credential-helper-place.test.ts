import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ProcessRunner } from "../../../src/platform/process-runner.ts";
import { credentialHelper } from "../../../src/registry/credential-helper.ts";
import { failure } from "../../support/failure.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** What becomes of a program that gets passwords. */
describe("a credential helper", () => {
  function folder(): string {
    const dir = tempDir();
    writeFileSync(join(dir, "docker-credential-vault.exe"), "");
    chmodSync(join(dir, "docker-credential-vault.exe"), 0o755);
    return dir;
  }

  const answering = (stdout: string, exitCode: number, ran: string[] = []): ProcessRunner => {
    return (command) => {
      ran.push(command);
      return Promise.resolve({ exitCode, stdout, stderr: "" });
    };
  };

  it("is run by its whole path on Windows, where its bare name would mean one in the working directory", async () => {
    const dir = folder();
    const ran: string[] = [];
    const exec = answering('{"Username":"u","Secret":"s"}', 0, ran);
    for (const name of ["PATH", "Path"]) {
      const helper = credentialHelper("vault", { exec, env: { [name]: dir }, platform: "win32" });
      expect(await helper.get("h.io")).toMatchObject({ kind: "basic", username: "u" });
    }
    expect(ran).toEqual([join(dir, "docker-credential-vault.exe"), join(dir, "docker-credential-vault.exe")]);
    const elsewhere = credentialHelper("vault", { exec, env: { PATH: tempDir() }, platform: "win32" });
    expect(await failure(elsewhere.get("h.io"))).toMatchObject({ code: "CREDENTIAL_HELPER_MISSING" });
  });

  it("that stores nothing is not taken for one that did", async () => {
    const exec = answering("credentials not found in native keychain", 1);
    const helper = credentialHelper("vault", { exec, env: {}, platform: "linux" });
    expect(await failure(helper.store("h.io", { kind: "basic", username: "u", password: "s3cret" }))).toMatchObject({
      code: "CREDENTIAL_HELPER_FAILED",
    });
    await helper.erase("h.io");
  });
});
