import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAtMost, readTextFile } from "../../../src/platform/read-file.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("reading files the user named", () => {
  it("reads up to the limit, and nothing beyond", async () => {
    const path = join(tempDir(), "file");
    writeFileSync(path, "12345");
    expect(Buffer.from((await readAtMost(path, 5)) ?? "").toString()).toBe("12345");
    expect(await readAtMost(path, 4)).toBeUndefined();
    writeFileSync(path, "");
    expect((await readAtMost(path, 0))?.byteLength).toBe(0);
  });

  it.skipIf(process.platform === "win32")("does not read a device without end, and reads a pipe", async () => {
    const limit = 100_000;
    await expect(readTextFile("/dev/zero", { cwd: "/", what: "--config", limit })).rejects.toMatchObject({
      code: "FILE_TOO_LARGE",
    });
    const pipe = join(tempDir(), "pipe");
    execFileSync("/bin/sh", ["-c", `mkfifo "${pipe}"`]);
    const [text] = await Promise.all([readTextFile(pipe, { cwd: "/", what: "--config" }), writeFile(pipe, "piped")]);
    expect(text).toBe("piped");
  });

  it("names what cannot be read", async () => {
    const cwd = tempDir();
    const reading = (file: string): Promise<string> => readTextFile(file, { cwd, what: "--config" });
    await expect(reading("none")).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
      message: "--config: cannot read none: no such file",
    });
    await expect(reading(".")).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
      message: expect.stringContaining("it is a folder"),
    });
  });
});
