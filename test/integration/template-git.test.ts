import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { initProject, type InitDeps, type InitResult } from "../../src/scaffold/init-project.ts";
import { runProcess } from "../../src/platform/process-runner.ts";
import { failure } from "../support/failure.ts";
import { tempDir } from "../support/temp-dir.ts";

const MANIFEST = JSON.stringify({ name: "acme", summary: "from git", language: "rust", leaveOut: ["docs"] });

/** A place to work in: the folders of a repository, of projects, of temporary files and of the user. */
class Bench {
  readonly root: string = tempDir();
  readonly repository: string = join(this.root, "repository");
  readonly tmp: string = join(this.root, "tmp");
  readonly home: string = join(this.root, "home");

  constructor() {
    for (const folder of [this.repository, this.tmp, this.home]) mkdirSync(folder);
    this.git("init", "--quiet", "--initial-branch=main");
  }

  get url(): string {
    return `file://${this.repository}`;
  }

  git(...args: readonly string[]): string {
    const identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"];
    // Not the settings of the user that `init` will meet.
    const env = { PATH: process.env["PATH"], GIT_CONFIG_GLOBAL: "/dev/null" };
    return execFileSync("git", [...identity, ...args], { cwd: this.repository, env, encoding: "utf8" }).trim();
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(this.repository, path)), { recursive: true });
    writeFileSync(join(this.repository, path), content);
  }

  commit(): string {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--message=x");
    return this.git("rev-parse", "HEAD");
  }

  deps(more: Partial<InitDeps> = {}): InitDeps {
    const env = { PATH: process.env["PATH"] ?? "", HOME: this.home };
    return { cwd: this.root, exec: runProcess, env, paths: { tmp: this.tmp }, ...more };
  }

  init(template: string, more: Partial<InitDeps> = {}): Promise<InitResult> {
    return initProject(this.deps(more), { directory: "mine", template, force: true }, () => undefined);
  }

  made(path: string): string {
    return readFileSync(join(this.root, "mine", path), "latin1");
  }
}

/** The error of a template that is refused: no project, and nothing temporary is left. */
async function refusal(
  bench: Bench,
  template: string,
  more: Partial<InitDeps> = {},
): Promise<Awaited<ReturnType<typeof failure>>> {
  const error = await failure(bench.init(template, more));
  expect(existsSync(join(bench.root, "mine"))).toBe(false);
  expect(readdirSync(bench.tmp)).toEqual([]);
  return error;
}

describe("a template in a git repository", () => {
  it("is taken byte by byte, as it is at the head, a branch, a tag or a commit", async () => {
    const bench = new Bench();
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    bench.write("wasme-template.json", MANIFEST);
    bench.write("src/data.bin", bytes);
    bench.write("run.sh", "#!/bin/sh\r\n");
    chmodSync(join(bench.repository, "run.sh"), 0o755);
    bench.write("docs/secret.md", "");
    bench.write("version", "1");
    const first = bench.commit();
    bench.git("tag", "v1");
    bench.git("branch", "old");
    bench.write("version", "2");
    bench.commit();

    const result = await bench.init(bench.url);
    expect(result).toMatchObject({ template: "acme", language: "rust", files: ["run.sh", "src/data.bin", "version"] });
    expect(bench.made("src/data.bin")).toBe(Buffer.from(bytes).toString("latin1"));
    expect(bench.made("run.sh")).toBe("#!/bin/sh\r\n");
    expect(bench.made("version")).toBe("2");
    for (const ref of ["v1", "old", first]) {
      await bench.init(`${bench.url}#${ref}`);
      expect(bench.made("version"), ref).toBe("1");
    }
    expect(readdirSync(bench.tmp)).toEqual([]);
  });

  it("can be a folder of a repository, and the repository may lie in a bare one", async () => {
    const bench = new Bench();
    bench.write("README.md", "not this");
    bench.write("filters/auth/wasme-template.json", MANIFEST);
    bench.write("filters/auth/x", "this");
    bench.commit();
    const bare = join(bench.root, "bare.git");
    bench.git("clone", "--quiet", "--bare", bench.url, bare);
    expect((await bench.init(`file://${bare}//filters/auth#main`)).files).toEqual(["x"]);
    const error = await refusal(new Bench(), `file://${bare}//filters/nope`);
    expect(error).toMatchObject({ kind: "not-found", code: "TEMPLATE_NOT_FOUND" });
    expect(error.message).toContain('has no folder "filters/nope"');
  });

  it("comes over the network, too", async () => {
    const bench = new Bench();
    bench.write("wasme-template.json", MANIFEST);
    bench.write("x", "from afar");
    bench.commit();
    const port = await serveGit(bench.root);
    await bench.init(`git://127.0.0.1:${port}/repository`);
    expect(bench.made("x")).toBe("from afar");
    const missing = await refusal(new Bench(), `git://127.0.0.1:${port}/nope`);
    expect(missing).toMatchObject({ code: "TEMPLATE_NOT_FOUND" });
  });

  it("is told when it, its branch, its manifest or git is not there", async () => {
    const bench = new Bench();
    bench.write("x", "");
    bench.commit();
    const branch = await refusal(bench, `${bench.url}#nope`);
    expect(branch).toMatchObject({ kind: "not-found", code: "TEMPLATE_NOT_FOUND" });
    expect(branch.message).toContain('no branch, tag or commit "nope"');
    expect(await refusal(bench, `${bench.url}-nope`)).toMatchObject({ kind: "not-found", code: "TEMPLATE_NOT_FOUND" });
    expect(await refusal(bench, bench.url)).toMatchObject({ kind: "usage", code: "TEMPLATE_INVALID" });
    const empty = { PATH: bench.tmp, HOME: bench.home };
    expect(await refusal(bench, bench.url, { env: empty })).toMatchObject({ kind: "usage", code: "GIT_NOT_FOUND" });
  });

  it("is told when nobody answers", async () => {
    const server = await listen(() => undefined);
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const error = await refusal(new Bench(), `git://127.0.0.1:${port}/x`);
    expect(error).toMatchObject({ kind: "unreachable", code: "TEMPLATE_UNREACHABLE" });
  });

  it("asks nobody for a password", async () => {
    const server = await listen((socket) => {
      socket.once("data", () => {
        socket.end(
          "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
      });
    });
    const { port } = server.address() as { port: number };
    const error = await refusal(new Bench(), `http://127.0.0.1:${port}/x.git`);
    expect(error).toMatchObject({ kind: "unauthorised", code: "TEMPLATE_UNAUTHORISED" });
  });

  it("is given up at once on Ctrl-C, and git with it", async () => {
    const bench = new Bench();
    const abort = new AbortController();
    let closed: (() => void) | undefined;
    const whenClosed = new Promise<void>((resolve) => (closed = resolve));
    // Takes the request and never answers.
    const server = await listen((socket) => {
      socket.once("data", () => abort.abort(new Error("stopped")));
      socket.once("close", () => closed?.());
    });
    const { port } = server.address() as { port: number };
    const work = bench.init(`git://127.0.0.1:${port}/x`, { signal: abort.signal });
    await expect(work).rejects.toThrow("stopped");
    await whenClosed;
    expect(readdirSync(bench.tmp)).toEqual([]);
    expect(existsSync(join(bench.root, "mine"))).toBe(false);
  });
});

describe("a hostile repository", () => {
  it("runs nothing: no filter, no hook, no submodule, whatever the user's git is set to", async () => {
    const bench = new Bench();
    const proof = join(bench.root, "proof");
    const touch = join(bench.root, "touch.sh");
    writeFileSync(touch, `#!/bin/sh\ntouch ${proof}\ncat\n`, { mode: 0o755 });
    // Settings that many users have: filters such as LFS, templates of hooks, LFS's own file system monitor.
    writeFileSync(
      join(bench.home, ".gitconfig"),
      `[filter "lfs"]\n\tsmudge = ${touch}\n\tprocess = ${touch}\n\trequired = true\n` +
        `[core]\n\thooksPath = ${bench.root}/hooks\n\tfsmonitor = ${touch}\n[init]\n\ttemplateDir = ${bench.root}/skeleton\n` +
        `[protocol "file"]\n\tallow = always\n[fetch]\n\trecurseSubmodules = true\n[submodule]\n\trecurse = true\n`,
    );
    for (const folder of ["hooks", "skeleton/hooks"]) {
      mkdirSync(join(bench.root, folder), { recursive: true });
      for (const hook of ["post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"])
        writeFileSync(join(bench.root, folder, hook), `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 });
    }
    bench.write("wasme-template.json", MANIFEST);
    bench.write(".gitattributes", "* filter=lfs\n");
    bench.write("big.bin", "version https://git-lfs.github.com/spec/v1\n");
    bench.commit();
    expect(existsSync(proof)).toBe(false);
    // The same said in the environment, as `git -c` and build servers do.
    const settings = {
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "filter.lfs.smudge",
      GIT_CONFIG_VALUE_0: touch,
      GIT_CONFIG_PARAMETERS: `'filter.lfs.smudge=${touch}'`,
      GIT_DIR: join(bench.root, "elsewhere"),
    };
    const env = { ...bench.deps().env, ...settings };
    expect((await bench.init(bench.url, { env })).files).toContain("big.bin");
    expect(bench.made("big.bin")).toContain("git-lfs");
    expect(existsSync(proof)).toBe(false);
  });

  it("has links and submodules refused by name, before anything is written", async () => {
    const bench = new Bench();
    bench.write("wasme-template.json", MANIFEST);
    symlinkSync("/etc/passwd", join(bench.repository, "passwd"));
    bench.commit();
    const link = await refusal(bench, bench.url);
    expect(link).toMatchObject({ kind: "usage", code: "TEMPLATE_UNSAFE" });
    expect(link.message).toContain('"passwd" is a link');
    bench.git("rm", "--quiet", "passwd");
    bench.git("update-index", "--add", "--cacheinfo", `160000,${bench.git("rev-parse", "HEAD")},inner`);
    bench.git("commit", "--quiet", "--message=y");
    expect((await refusal(bench, bench.url)).message).toContain('"inner" is a submodule');
  });

  it.each([["../outside"], [".git/hooks/post-checkout"], [".GIT/config"], ["a/../../b"]])(
    "cannot name %s",
    async (path) => {
      const bench = new Bench();
      bench.write("wasme-template.json", MANIFEST);
      bench.commit();
      const blob = bench.git("hash-object", "-w", "wasme-template.json");
      const tree = treeWith(bench, path.split("/"), blob);
      const commit = bench.git("commit-tree", tree, "-m", "evil");
      bench.git("update-ref", "refs/heads/main", commit);
      await refusal(bench, bench.url);
      expect(existsSync(join(bench.root, "outside"))).toBe(false);
    },
  );

  it("may not be large", async () => {
    const bench = new Bench();
    bench.write("wasme-template.json", MANIFEST);
    bench.write("big", new Uint8Array(4 * 1024 * 1024 + 1));
    bench.commit();
    expect(await refusal(bench, bench.url)).toMatchObject({ kind: "usage", code: "TEMPLATE_TOO_LARGE" });
  });
});

/** A tree object with a name that git's own commands would not take. */
function treeWith(bench: Bench, [name = "", ...rest]: readonly string[], blob: string): string {
  const inner = rest.length === 0 ? blob : treeWith(bench, rest, blob);
  const [mode, id] = [rest.length === 0 ? "100644" : "40000", Buffer.from(inner, "hex")];
  const entry = Buffer.concat([Buffer.from(`${mode} ${name}\0`), id]);
  const manifest = Buffer.concat([Buffer.from("100644 wasme-template.json\0"), Buffer.from(blob, "hex")]);
  const entries = name < "wasme-template.json" ? [entry, manifest] : [manifest, entry];
  const file = join(bench.root, "tree");
  writeFileSync(file, Buffer.concat(entries));
  return bench.git("hash-object", "-t", "tree", "-w", "--literally", file);
}

async function listen(take: Parameters<typeof createServer>[1]): Promise<Server> {
  const server = createServer(take as never);
  await new Promise<undefined>((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  onTestFinished(() => void server.close());
  return server;
}

/** `git daemon` through a socket of our own: it serves one connection on its standard streams. */
async function serveGit(folder: string): Promise<number> {
  const server = await listen((socket) => {
    const child = spawn("git", ["daemon", "--inetd", "--export-all", `--base-path=${folder}`], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    socket.pipe(child.stdin).on("error", () => undefined);
    child.stdout.pipe(socket).on("error", () => undefined);
  });
  return (server.address() as { port: number }).port;
}
