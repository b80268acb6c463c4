import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { startOnPty } from "../support/pty.ts";
import { type CliResult, runCli, spawnCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const NAME = "docker.io/library/hello:v1";

let home: string;
let images: string;
beforeEach(async () => {
  home = tempDir();
  images = join(home, ".wasme/images");
  await wasme(0, "build", "precompiled", HELLO_WASM, "-t", "hello:v1");
});

async function wasme(code: number, ...args: string[]): Promise<CliResult> {
  const result = await runCli(args, { home });
  expect(result.code, result.stderr).toBe(code);
  return result;
}

function damageModule(): void {
  const digest = createHash("sha256").update(readFileSync(HELLO_WASM)).digest("hex");
  const path = join(images, "blobs/sha256", digest);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

describe("save and load", () => {
  it("carry an image from one machine to another through a pipe", async () => {
    const other = tempDir();
    const env = { PATH: process.env["PATH"], HOME: home };
    const save = spawn(process.execPath, [BIN, "save", "hello:v1", "-f", "-"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const load = spawn(process.execPath, [BIN, "load", "-f", "-"], {
      env: { ...env, HOME: other },
      stdio: [save.stdout, "pipe", "inherit"],
    });
    let told = "";
    let loaded = "";
    save.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    load.stdout?.setEncoding("utf8").on("data", (text: string) => (loaded += text));
    const code = await new Promise((resolve) => load.on("close", resolve));
    expect(code).toBe(0);
    expect(told).toContain(`Saved ${NAME} (`);
    expect(loaded).toMatch(/^Loaded docker\.io\/library\/hello:v1\nDigest: sha256:[0-9a-f]{64}\n$/u);
    const verified = await runCli(["store", "verify", "-o", "json"], { home: other });
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, images: [{ reference: NAME }] });
  });

  it("write and read files, and say what was loaded", async () => {
    const { stdout } = await wasme(0, "save", "hello:v1", "-f", "hello.tar");
    expect(stdout).toMatch(/^Saved docker\.io\/library\/hello:v1 \(\d\.\d kB\) to hello\.tar\n$/u);
    expect((await wasme(0, "load", "-f", "hello.tar")).stdout).toContain(`Loaded ${NAME} (unchanged)`);
    await wasme(0, "load", "-f", "hello.tar", "-t", "h.io/other:v2");
    expect((await wasme(0, "list", "-q")).stdout.trim().split("\n")).toEqual([NAME, "h.io/other:v2"]);
    const digest = (await wasme(0, "load", "-q", "-f", "hello.tar")).stdout;
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n$/u);
    expect(readdirSync(home).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  });

  it("refuse what cannot be done in one sentence, and leave nothing", async () => {
    const cases: readonly (readonly [number, RegExp, ...string[]])[] = [
      [3, /no image docker\.io\/library\/none:v1/u, "save", "none:v1", "-f", "x.tar"],
      [2, /required option '-f, --file|-f/u, "save", "hello:v1"],
      [2, /refs/u, "save", "-f", "x.tar"],
      [2, /-f - writes the archive to stdout/u, "save", "hello:v1", "-f", "-", "-o", "json"],
      [2, /there is no archive/u, "load", "-f", "none.tar"],
      [2, /is a folder/u, "load", "-f", "."],
      [1, /is not a tar archive/u, "load", "-f", HELLO_WASM],
      [1, /is not a tar archive/u, "load", "-f", "-"],
      [2, /TAG|invalid image reference/u, "load", "-f", HELLO_WASM, "-t", "NO"],
      [2, /is a folder; --file takes a file name\nHint: --file .*images\.tar/u, "save", "hello:v1", "-f", home],
      [2, /filter\.wasm is not a folder\nHint: name the folder of an image store/u, "list", "--store", HELLO_WASM],
      [3, /no store of the old wasme in .*filter\.wasm/u, "store", "migrate", "--from", HELLO_WASM],
      [1, /cannot write .*: a file is where a folder should be/u, "save", "hello:v1", "-f", HELLO_WASM + "/x.tar"],
    ];
    for (const [code, words, ...args] of cases) {
      const { stderr, stdout } = await wasme(code, ...args);
      expect(stderr, args.join(" ")).toMatch(words);
      expect(stdout).toBe("");
    }
    expect(readdirSync(home)).toEqual([".wasme"]);
  });

  it("keep an archive off a terminal", async (context) => {
    const session = startOnPty(context, ["save", "hello:v1", "-f", "-"], { home });
    await session.seen(/an archive cannot be shown on a terminal/u);
    expect(await session.ended).toBe(2);
    const reading = startOnPty(context, ["load", "-f", "-"], { home });
    await reading.seen(/reads an archive from stdin, which is a terminal/u);
    expect(await reading.ended).toBe(2);
  });

  it("stop at Ctrl-C while the other side is silent", async () => {
    const child = spawn(process.execPath, [BIN, "load", "-f", "-"], {
      env: { PATH: process.env["PATH"], HOME: home },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (text.includes("Loading stdin")) child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    child.stdin.destroy();
    expect(code, stderr).toBe(130);
  });

  it("end cleanly when the reader of the archive goes away", async () => {
    const child = spawn(process.execPath, [BIN, "save", "hello:v1", "-f", "-"], {
      env: { PATH: process.env["PATH"], HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    await new Promise((resolve) => child.on("close", resolve));
    expect(stderr).not.toMatch(/bug|EPIPE/u);
  });
});

describe("store verify", () => {
  it("exits with 1 for damage, names it and what mends it, until it is mended", async () => {
    expect((await wasme(0, "store", "verify")).stdout).toContain("1 image, none damaged; 3 blobs read");
    damageModule();
    const { stdout } = await wasme(1, "store", "verify");
    expect(stdout).toMatch(
      /^damaged {2}docker\.io\/library\/hello:v1\n +sha256:\w+ was altered\n +pull or build it again/u,
    );
    expect((await wasme(1, "store", "verify", "-q")).stdout).toBe(`${NAME}\n`);
    expect((await wasme(1, "store", "verify", "hello:v1")).stdout).toContain("1 image, 1 damaged");
    await wasme(1, "save", "hello:v1", "-f", "hello.tar");
    expect(existsSync(join(home, "hello.tar"))).toBe(false);
    await wasme(0, "build", "precompiled", HELLO_WASM, "-t", "hello:v1");
    await wasme(0, "store", "verify");
    await wasme(3, "store", "verify", "none:v1");
  });
});

describe("store prune, path and migrate", () => {
  it("tell and do", async () => {
    expect((await wasme(0, "store", "path")).stdout).toBe(`${images}\n`);
    await wasme(0, "rm", "hello:v1");
    expect((await wasme(0, "store", "prune")).stdout).toMatch(
      /^Nothing to remove\nKept 1\.\d kB younger than --grace/u,
    );
    const dry = await wasme(0, "store", "prune", "--dry-run", "--grace", "0");
    expect(dry.stdout).toMatch(/^(?:Would remove sha256:\w{64}\n){3}Would free 1\.\d kB\n$/u);
    expect(readdirSync(join(images, "blobs/sha256"))).toHaveLength(3);
    expect((await wasme(0, "store", "prune", "--grace", "0")).stdout).toContain("Freed 1.");
    expect(readdirSync(join(images, "blobs/sha256"))).toEqual([]);
    expect((await wasme(2, "store", "prune", "--grace", "soon")).stderr).toContain("--grace");
  });

  it("list points to the images of an old wasme, migrate takes them over, then list is silent", async () => {
    const old = join(home, ".wasme/store");
    expect((await wasme(3, "store", "migrate")).stderr).toContain("--from");
    writeLegacyImage(old, "webassemblyhub.io/me/old:v1", { module: readFileSync(HELLO_WASM), config: "{}" });
    const broken = writeLegacyImage(old, "h.io/broken:v1", { module: readFileSync(HELLO_WASM), config: "{}" });
    rmSync(join(broken, "filter.wasm"));
    const listed = await wasme(0, "list");
    expect(listed.stderr).toContain("wasme store migrate");
    expect((await wasme(1, "store", "migrate", "--dry-run")).stdout).toContain("Would be: 1 migrated, 1 damaged");
    expect((await wasme(0, "list", "-q")).stdout).toBe(`${NAME}\n`);
    const { stdout } = await wasme(1, "store", "migrate");
    expect(stdout).toMatch(/migrated +webassemblyhub\.io\/me\/old:v1 +sha256:/u);
    expect(stdout).toMatch(/damaged +h\.io\/broken:v1 \(.*[0-9a-f]{32}\) +filter\.wasm/u);
    rmSync(broken, { recursive: true });
    expect((await wasme(0, "store", "migrate")).stdout).toContain("unchanged  webassemblyhub.io/me/old:v1");
    expect((await wasme(0, "list")).stderr).toBe("");
  });

  it("are completed", async () => {
    const { stdout } = await spawnCli(["__complete", "store", ""], { home }).result;
    for (const word of ["verify", "prune", "path", "migrate"]) expect(stdout).toContain(word);
    expect((await spawnCli(["__complete", "save", ""], { home }).result).stdout).toContain(NAME);
  });
});
