import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MediaType } from "../../src/domain/media-types.ts";
import { openStore } from "../../src/store/image-store.ts";
import { putImage } from "../support/layouts.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";
import { filterModule } from "../support/wasm-builder.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));

/** What stands where an archive is to go, and is not to be broken. */
describe("save over what is there", () => {
  const home = makeTempDir("wasme-");
  const name = "localhost:5000/team/filter:v1";
  let archive: Buffer;

  beforeAll(async () => {
    const module = { mediaType: MediaType.soloModule, bytes: filterModule() };
    await putImage(openStore(join(home, ".wasme", "images")), name, { layers: [module] });
    expect((await runCli(["save", name, "-f", "plain.tar"], { home })).code).toBe(0);
    archive = readFileSync(join(home, "plain.tar"));
  });

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it("writes where a link leads, and leaves the link", async () => {
    const dir = tempDir();
    mkdirSync(join(dir, "there"));
    writeFileSync(join(dir, "there", "real.tar"), "old");
    symlinkSync(join("there", "real.tar"), join(dir, "link.tar"));
    expect((await runCli(["save", name, "-f", join(dir, "link.tar")], { home })).code).toBe(0);
    expect(lstatSync(join(dir, "link.tar")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(dir, "there", "real.tar")).equals(archive)).toBe(true);
  });

  it("leaves the other name of a hard-linked file its content", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "a.tar"), "old");
    linkSync(join(dir, "a.tar"), join(dir, "b.tar"));
    expect((await runCli(["save", name, "-f", join(dir, "a.tar")], { home })).code).toBe(0);
    expect(readFileSync(join(dir, "b.tar"), "utf8")).toBe("old");
  });

  it("keeps the mode of a file, and obeys the umask for a new one", () => {
    const dir = tempDir();
    writeFileSync(join(dir, "private.tar"), "old");
    chmodSync(join(dir, "private.tar"), 0o600);
    for (const [umask, file, mode] of [
      ["022", "private.tar", 0o600],
      ["077", "new.tar", 0o600],
      ["022", "public.tar", 0o644],
    ] as const) {
      shell(`umask ${umask}; exec "$@"`, ["save", name, "-f", join(dir, file)]);
      expect(statSync(join(dir, file)).mode & 0o777, file).toBe(mode);
    }
  });

  it("takes the names of stdout for stdout, which may be a file", () => {
    const dir = tempDir();
    for (const file of ["/dev/fd/1", "/proc/self/fd/1"]) {
      shell(`exec "$@" > ${join(dir, "out.tar")}`, ["save", name, "-f", file]);
      expect(readFileSync(join(dir, "out.tar")).equals(archive)).toBe(true);
    }
  });

  function shell(script: string, args: readonly string[]): void {
    const env = { PATH: process.env["PATH"], HOME: home };
    execFileSync("sh", ["-c", script, "sh", process.execPath, BIN, ...args], {
      env,
      cwd: home,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
});
