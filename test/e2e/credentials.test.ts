import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type CliOptions, type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const SECRET = "s3:cret ü";

/** Every place credentials may be in, through the built program. */
describe("credentials", () => {
  const image = testImage(1000);
  const account = { username: "alice", password: SECRET };
  let registry: FaultRegistry;
  let reference: string;

  beforeAll(async () => {
    registry = await startFaultRegistry({ kind: "basic", ...account });
    reference = `${registry.host}/team/filter:v1`;
    const credentials = (): Promise<{ kind: "basic" } & typeof account> =>
      Promise.resolve({ kind: "basic", ...account });
    const client = createRegistryClient({ env: {}, credentials });
    await pushTestImage(client.repository(parseImageReference(reference), "push"), image);
    client.close();
  });
  afterAll(async () => await registry.close());

  interface Home {
    readonly dir: string;
    run(args: readonly string[], more?: Partial<CliOptions>): Promise<CliResult>;
  }

  function home(files: Record<string, unknown> = {}, env: (dir: string) => Record<string, string> = () => ({})): Home {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
    }
    return { dir, run: (args, more = {}) => runCli(args, { home: dir, env: env(dir), ...more }) };
  }

  const entry = (password = SECRET): object => ({ auth: Buffer.from(`alice:${password}`).toString("base64") });
  const auths = (password?: string): object => ({ auths: { [registry.host]: entry(password) } });

  /** A helper that knows alice. */
  function helper({ dir }: Home): string {
    const path = join(dir, "bin", "docker-credential-test");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\ncat > /dev/null\nprintf '%s' '{"Username":"alice","Secret":"${SECRET}"}'\n`);
    chmodSync(path, 0o755);
    return `${join(dir, "bin")}:${process.env["PATH"] ?? ""}`;
  }

  it("are wanted", async () => {
    const { code, stderr } = await home().run(["inspect", "--remote", reference]);
    expect([code, stderr]).toEqual([4, expect.stringContaining(`Hint: wasme login ${registry.host}`)]);
  });

  it.each([
    ["Docker's config file", () => home({ ".docker/config.json": auths() })],
    ["another folder of Docker's", () => home({ "d/config.json": auths() }, (dir) => ({ DOCKER_CONFIG: `${dir}/d` }))],
    [
      "DOCKER_AUTH_CONFIG, which wins",
      () => home({ ".docker/config.json": auths("wrong") }, () => ({ DOCKER_AUTH_CONFIG: JSON.stringify(auths()) })),
    ],
    ["REGISTRY_AUTH_FILE", () => home({ "a.json": auths() }, (dir) => ({ REGISTRY_AUTH_FILE: `${dir}/a.json` }))],
    [
      "the run-time folder, by the most specific path",
      () => {
        const paths = { [registry.host]: entry("wrong"), [`${registry.host}/team`]: entry() };
        return home({ "run/containers/auth.json": { auths: paths } }, (dir) => ({ XDG_RUNTIME_DIR: `${dir}/run` }));
      },
    ],
    ["the config folder", () => home({ ".config/containers/auth.json": auths() })],
    [
      "another config folder",
      () => home({ "c/containers/auth.json": auths() }, (dir) => ({ XDG_CONFIG_HOME: `${dir}/c` })),
    ],
    ["the old tool's file", () => home({ ".wasme/credentials.json": auths() })],
    ["another folder of ours", () => home({ "w/credentials.json": auths() }, (dir) => ({ WASME_HOME: `${dir}/w` }))],
  ])("are found in %s", async (_name, make) => {
    expect((await make().run(["inspect", "--remote", reference, "-q"])).stderr).toBe("");
  });

  it.each([
    ["credHelpers", (host: string) => ({ credHelpers: { [host]: "test" } })],
    ["credsStore", () => ({ credsStore: "test" })],
  ])("are asked of a helper: %s", async (_name, config) => {
    const at = home({ ".docker/config.json": config(registry.host) });
    const { code, stderr } = await at.run(["inspect", "--remote", reference, "-q"], { env: { PATH: helper(at) } });
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("of the old tool are used by every command, and never written", async () => {
    const at = home({ ".wasme/credentials.json": auths() });
    const [mine, other] = [`${registry.host}/team/mine:v1`, `${registry.host}/team/mine:v2`];
    await at.run(["build", "precompiled", HELLO_WASM, "-t", mine]);
    await at.run(["tag", mine, other]);
    const commands = [
      ["push", mine],
      ["push", other],
      ["pull", mine],
      ["inspect", "--remote", mine],
      ["list", "--published", "-s", registry.host],
      ["deploy", "envoy", mine, "--out", "envoy.yaml"],
      ["rm", "--remote", "-y", other],
    ];
    for (const args of commands) expect(await at.run(args)).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(at.dir, ".wasme/credentials.json"), "utf8"))).toEqual(auths());
    const { code, stderr } = await at.run(["logout", registry.host]);
    const file = join(at.dir, ".wasme/credentials.json");
    expect([code, stderr]).toEqual([0, expect.stringContaining(`are still in ${file}`)]);
  });

  it("that are wrong name their file, and nothing is read anonymously", async () => {
    const at = home({ ".docker/config.json": auths("wrong") });
    const { code, stderr } = await at.run(["inspect", "--remote", reference]);
    expect(code).toBe(4);
    expect(stderr).toContain(`the account in ${join(at.dir, ".docker/config.json")} was refused`);
    expect(stderr).not.toContain("wrong");
  });

  it("never appear in the trace", async () => {
    const at = home({ ".docker/config.json": auths() });
    const { stderr } = await at.run(["inspect", "--remote", reference, "--verbose"]);
    expect(stderr).toContain(registry.host);
    expect(stderr).not.toMatch(new RegExp(`${SECRET}|${Buffer.from(`alice:${SECRET}`).toString("base64")}`, "u"));
  });

  describe("--auth-file", () => {
    it.each([
      ["is no JSON", "{oops", "not a JSON object"],
      ["is a list", "[]", "not a JSON object"],
    ])("that %s is told before anything is sent", async (_name, content, says) => {
      const at = home({ "mine.json": content });
      const before = registry.requests.length;
      const { code, stderr } = await at.run(["pull", reference, "--auth-file", "mine.json"]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`${join(at.dir, "mine.json")}: it is ${says}`)]);
      expect(registry.requests.length).toBe(before);
    });

    it("may be a pipe, is tried first, and may be called --config", async () => {
      const at = home({ ".docker/config.json": auths("wrong"), "mine.json": auths() });
      const pipe = join(at.dir, "pipe");
      expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
      const written = at.run(["pull", reference, "--auth-file", "pipe", "-q"]);
      writeFileSync(pipe, JSON.stringify(auths()));
      expect(await written).toMatchObject({ code: 0, stderr: "" });
      const old = await at.run(["pull", reference, "--config", "mine.json"]);
      expect(old.stderr).toContain("--config is now called --auth-file");
      expect(old.code).toBe(0);
    });
  });

  describe("login and logout", () => {
    it("keep what was verified, and tell where", async () => {
      const at = home();
      const file = join(at.dir, ".docker/config.json");
      const args = ["login", registry.host, "-u", "alice", "--password-stdin"];
      const refused = await at.run(args, { input: "wrong\n" });
      expect([refused.code, refused.stdout]).toEqual([4, ""]);
      expect(refused.stderr).toContain("refused the user name or password");
      const { code, stdout, stderr } = await at.run(args, { input: `${SECRET}\n` });
      expect([code, stdout]).toEqual([0, `Logged in to ${registry.host} as alice\nStored in: ${file}\n`]);
      expect(stderr).toContain(`stored unencrypted in ${file}`);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(auths());
      expect((await at.run(["inspect", "--remote", reference])).code).toBe(0);
      expect((await at.run(["logout", `https://${registry.host}/`])).stdout).toBe(
        `Removed credentials for ${registry.host}\n`,
      );
      expect((await at.run(["logout", registry.host])).stdout).toBe(`Not logged in to ${registry.host}\n`);
    });

    it.each([
      ["one line break is no part of it", `${SECRET}\r\n`, 0],
      ["a second one is", `${SECRET}\n\n`, 4],
      ["a blank is", `${SECRET} `, 4],
      ["nothing is a mistake", "", 2],
      ["only a line break, too", "\n", 2],
    ])("take a password of stdin: %s", async (_name, input, code) => {
      const run = await home().run(["login", registry.host, "-u", "alice", "--password-stdin"], { input });
      expect(run.code).toBe(code);
    });

    it("warn of a password on the command line", async () => {
      const { code, stderr } = await home().run(["login", registry.host, "-u", "alice", "-p", SECRET]);
      expect([code, stderr]).toEqual([0, expect.stringContaining("--password can be seen by others")]);
      expect(stderr).not.toContain(SECRET);
    });
  });

  it("are not asked for where Docker Hub lists nothing to anybody", async () => {
    const { code, stderr } = await home().run(["list", "--published", "-s", "docker.io"]);
    expect(code).toBe(1);
    expect(stderr).toContain("docker.io does not list its repositories");
    expect(stderr).not.toContain("wasme login");
  });
});
