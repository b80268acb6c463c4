import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import type { Env } from "../../../src/platform/env.ts";
import { resolvePaths } from "../../../src/platform/paths.ts";
import { runProcess } from "../../../src/platform/process-runner.ts";
import { parseAuthFile } from "../../../src/registry/auth-file.ts";
import type { CredentialSource } from "../../../src/registry/credential.ts";
import { type CredentialDeps, createCredentials } from "../../../src/registry/credentials.ts";
import { eraseCredential, storeCredential } from "../../../src/registry/store-credential.ts";
import { tempDir } from "../../support/temp-dir.ts";

interface Home extends CredentialDeps {
  readonly dir: string;
  readonly seen: ProgressEvent[];
}

/** A home directory of its own; `bin` is first in PATH. */
async function makeHome(files: Record<string, unknown> = {}, extra: Env = {}): Promise<Home> {
  const dir = tempDir();
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  }
  const env = { HOME: dir, PATH: `${join(dir, "bin")}:${process.env["PATH"] ?? ""}`, ...extra };
  const seen: ProgressEvent[] = [];
  return { dir, seen, env, paths: resolvePaths(env, dir), exec: runProcess, events: (event) => seen.push(event) };
}

/** Puts a real helper program into the home's PATH. It keeps secrets in `vault/`, and what it was told in `told`. */
async function addHelper(home: Home, name: string, script?: string): Promise<void> {
  const path = join(home.dir, "bin", `docker-credential-${name}`);
  await mkdir(join(home.dir, "vault"), { recursive: true });
  await mkdir(dirname(path), { recursive: true });
  const keeping = `#!/bin/sh
vault="${home.dir}/vault"
input=$(cat)
printf '%s %s\\n' "$1" "$input" >> "$vault/told"
key=$(printf '%s' "$input" | tr -c 'A-Za-z0-9.\\n' _)
case $1 in
  get) [ -f "$vault/$key" ] && cat "$vault/$key" || { echo 'credentials not found in native keychain'; exit 1; } ;;
  store) printf '%s' "$input" > "$vault/stored" ;;
  erase) rm -f "$vault/$key" ;;
esac
`;
  await writeFile(path, script ?? keeping);
  await chmod(path, 0o755);
}

const auth = (user: string, password: string): { auth: string } => {
  return { auth: Buffer.from(`${user}:${password}`).toString("base64") };
};
const basic = (username: string, password = "p"): object => ({ kind: "basic", username, password });

/** What is found, without the place. */
function lookUp(deps: CredentialDeps): CredentialSource {
  return async (host, repository) => {
    const found = await createCredentials(deps)(host, repository);
    if (found === undefined) return undefined;
    const { source: _source, ...credential } = found;
    return credential;
  };
}

describe("createCredentials", () => {
  it("finds nothing in an empty home", async () => {
    const home = await makeHome();
    expect(await lookUp(home)("ghcr.io")).toBeUndefined();
  });

  it("takes the first place that has one", async () => {
    const entry = (user: string): object => ({ auths: { "r.test": auth(user, "p") } });
    const files = {
      ".docker/config.json": entry("docker"),
      "run/containers/auth.json": entry("runtime"),
      ".config/containers/auth.json": entry("containers"),
      ".wasme/credentials.json": entry("legacy"),
      "mine.json": entry("mine"),
    };
    const home = await makeHome(files);
    const runtime = { XDG_RUNTIME_DIR: join(home.dir, "run") };
    const inline = { DOCKER_AUTH_CONFIG: JSON.stringify(entry("inline")) };
    const who = async (extra: Partial<CredentialDeps>): Promise<unknown> => {
      const found = await lookUp({ ...home, ...extra })("r.test");
      return found?.kind === "basic" ? found.username : undefined;
    };
    const env = { ...home.env, ...runtime, ...inline };
    const explicit = { kind: "basic", username: "flag", password: "p" } as const;
    expect(await who({ env, explicit, authFiles: [join(home.dir, "mine.json")] })).toBe("flag");
    expect(await who({ env, authFiles: [join(home.dir, "mine.json")] })).toBe("mine");
    expect(await who({ env })).toBe("inline");
    expect(await who({ env: { ...home.env, ...runtime } })).toBe("docker");
    const away = { ...home.paths, dockerConfigDir: join(home.dir, "nowhere") };
    expect(await who({ env: { ...home.env, ...runtime }, paths: away })).toBe("runtime");
    expect(await who({ paths: away })).toBe("containers");
    expect(await who({ paths: away, env: { ...home.env, REGISTRY_AUTH_FILE: join(home.dir, "mine.json") } })).toBe(
      "mine",
    );
    expect(await who({ paths: away, env: { ...home.env, XDG_CONFIG_HOME: join(home.dir, "nowhere") } })).toBe("legacy");
  });

  it.each([
    ["r.test", "r.test", true],
    ["r.test", "https://r.test", true],
    ["r.test", "https://r.test/v2/", true],
    ["r.test:5000", "http://r.test:5000/", true],
    ["R.test", "r.TEST", true],
    ["r.test", "r.test:5000", false],
    ["r.test:5000", "r.test", false],
    ["r.test", "xr.test", false],
    ["r.test", "r.test.evil.example", false],
    ["evil.example", "https://r.test/evil.example", false],
    ["docker.io", "https://index.docker.io/v1/", true],
    ["docker.io", "registry-1.docker.io", true],
    ["docker.io", "docker.io", true],
    ["docker.io", "hub.docker.io", false],
  ])("host %s and key %s: %s", async (host, key, matches) => {
    const home = await makeHome({ ".docker/config.json": { auths: { [key]: auth("u", "p") } } });
    expect(await lookUp(home)(host)).toEqual(matches ? basic("u") : undefined);
  });

  it.each([
    ["auth with a colon in the password", auth("u", "a:b"), basic("u", "a:b")],
    ["user name and password", { username: "u", password: "p" }, basic("u")],
    [
      "an identity token",
      { ...auth("u", ""), identitytoken: "t" },
      { kind: "identity-token", username: "u", token: "t" },
    ],
    ["a registry token", { registrytoken: "t" }, { kind: "registry-token", token: "t" }],
    ["an empty entry", {}, undefined],
    ["auth before user name and password", { ...auth("u", "p"), username: "x", password: "y" }, basic("u")],
    ["a password for the user <token>", auth("<token>", "t"), { kind: "identity-token", username: "", token: "t" }],
    ["a pair padded with zero bytes", { auth: Buffer.from("u:p\0\0").toString("base64") }, basic("u")],
    ["nonsense", 7, undefined],
  ])("reads %s", async (_name, entry, credential) => {
    const home = await makeHome({ ".docker/config.json": { auths: { "r.test": entry } } });
    expect(await lookUp(home)("r.test")).toEqual(credential);
  });

  it("tells an entry that is damaged, and only when it is meant", async () => {
    const auths = { "r.test": { auth: "!!!" }, "r.test/mine": auth("u", "p"), "other.test": auth("o", "p") };
    const home = await makeHome({ ".config/containers/auth.json": { auths } });
    const file = join(home.dir, ".config", "containers", "auth.json");
    await expect(lookUp(home)("r.test", "a/b")).rejects.toMatchObject({
      kind: "usage",
      code: "AUTH_FILE_INVALID",
      message: `cannot read the credentials for r.test in ${file}: "auth" is not user:password in base64`,
    });
    expect(await lookUp(home)("r.test", "mine/filter")).toEqual(basic("u"));
    expect(await lookUp(home)("other.test")).toEqual(basic("o"));
  });

  it("tells where it found one", async () => {
    const entry = { auths: { "r.test": auth("u", "p") } };
    const home = await makeHome({ ".docker/config.json": entry });
    const inline = { ...home.env, DOCKER_AUTH_CONFIG: JSON.stringify(entry) };
    const sources = [home, { ...home, env: inline }, { ...home, authFiles: [parseAuthFile("{}", "x"), "/dev/null"] }];
    const found = await Promise.all(sources.map((deps) => createCredentials(deps)("r.test")));
    const file = join(home.dir, ".docker", "config.json");
    expect(found.map((each) => each?.source)).toEqual([file, "DOCKER_AUTH_CONFIG", file]);
  });

  it("never reads a file without end", async () => {
    const endless = createCredentials({ ...(await makeHome()), authFiles: ["/dev/zero"] });
    await expect(endless("r.test")).rejects.toMatchObject({ code: "AUTH_FILE_INVALID", kind: "usage" });
  });

  it("prefers the most specific path of a containers file", async () => {
    const auths = { "r.test": auth("host", "p"), "r.test/a/b": auth("ab", "p"), "r.test/a": auth("a", "p") };
    const home = await makeHome({ ".config/containers/auth.json": { auths } });
    const find = lookUp(home);
    expect(await find("r.test", "a/b")).toEqual(basic("ab"));
    expect(await find("r.test", "a/b/c")).toEqual(basic("ab"));
    expect(await find("r.test", "a/bc")).toEqual(basic("a"));
    expect(await find("r.test", "ab")).toEqual(basic("host"));
    expect(await find("r.test")).toEqual(basic("host"));
  });

  it("names the variable whose content is broken", async () => {
    const home = await makeHome({}, { DOCKER_AUTH_CONFIG: "{oops" });
    await expect(createCredentials(home)("r.test")).rejects.toMatchObject({
      code: "AUTH_FILE_INVALID",
      message: "cannot read the credentials in DOCKER_AUTH_CONFIG: it is not a JSON object",
    });
  });

  it("refuses a file it cannot read, and a named one that is not there", async () => {
    const home = await makeHome({ ".docker/config.json": "{oops" });
    await expect(lookUp(home)("r.test")).rejects.toMatchObject({ code: "AUTH_FILE_INVALID", kind: "usage" });
    const named = lookUp({ ...(await makeHome()), authFiles: ["/no/such/file.json"] });
    await expect(named("r.test")).rejects.toMatchObject({ code: "AUTH_FILE_INVALID" });
  });

  describe("helpers", () => {
    it("ask the one for the host first, then the general one, then the file", async () => {
      const config = {
        credHelpers: { "own.test": "own" },
        credsStore: "general",
        auths: { "own.test": auth("file", "p"), "file.test": auth("file", "p") },
      };
      const home = await makeHome({ ".docker/config.json": config });
      await addHelper(home, "own");
      await addHelper(home, "general");
      const answer = (user: string): string => JSON.stringify({ ServerURL: "x", Username: user, Secret: "p" });
      await writeFile(join(home.dir, "vault", "own.test"), answer("own"));
      await writeFile(join(home.dir, "vault", "general.test"), answer("general"));
      await writeFile(join(home.dir, "vault", "https___index.docker.io_v1_"), answer("<token>"));
      const find = lookUp(home);
      expect(await find("own.test")).toEqual(basic("own"));
      expect(await find("general.test")).toEqual(basic("general"));
      expect(await find("file.test")).toEqual(basic("file"));
      expect(await find("docker.io")).toEqual({ kind: "identity-token", username: "", token: "p" });
      expect(await find("none.test")).toBeUndefined();
      expect(await readFile(join(home.dir, "vault", "told"), "utf8")).toContain("get https://index.docker.io/v1/\n");
    });

    it("warn and go on when the general one is not installed", async () => {
      const config = { credsStore: "gone", auths: { "r.test": auth("u", "p") } };
      const home = await makeHome({ ".docker/config.json": config });
      expect(await lookUp(home)("r.test")).toEqual(basic("u"));
      expect(home.seen).toMatchObject([
        { type: "warning", message: expect.stringContaining("docker-credential-gone") },
      ]);
    });

    it("fail when the one for the host does", async () => {
      const home = await makeHome({ ".docker/config.json": { credHelpers: { "r.test": "own" } } });
      await expect(lookUp(home)("r.test")).rejects.toMatchObject({ code: "CREDENTIAL_HELPER_MISSING" });
      await addHelper(home, "own", "#!/bin/sh\necho 'the vault is locked'\necho secret >&2\nexit 1\n");
      await expect(lookUp(home)("r.test")).rejects.toMatchObject({
        code: "CREDENTIAL_HELPER_FAILED",
        message: "the credential helper docker-credential-own failed to get: the vault is locked",
      });
    });

    it.each([
      ["an answer and a failure", `echo '{"Username":"u","Secret":"hidden"}'; exit 1`, "it gave no reason"],
      ["nothing", "exit 3", "it gave no reason"],
      ["too much", "yes hidden | head -c 2000000", "it printed more than 1048576 bytes"],
      ["no answer", "echo hidden", "it answered no credential"],
      ["half an answer", `echo '{"Username":"hidden"}'`, "it answered no credential"],
      ["its own colours", `printf '\\033[31mlocked'; exit 1`, "\\x1b[31mlocked"],
    ])("fail with %s, which is never shown", async (_name, script, why) => {
      const home = await makeHome({ ".docker/config.json": { credHelpers: { "r.test": "own" } } });
      await addHelper(home, "own", `#!/bin/sh\n${script}\n`);
      const asking = createCredentials(home)("r.test");
      await expect(asking).rejects.toThrow(`docker-credential-own failed to get: ${why}`);
      await expect(asking).rejects.not.toThrow("hidden");
    });

    it("get the bare key on stdin, and no argument but the verb", async () => {
      const home = await makeHome({ ".docker/config.json": { credsStore: "own" } });
      await addHelper(
        home,
        "own",
        `#!/bin/sh\nprintf '%s|%s|%s' "$#" "$1" "$(cat)" > "${home.dir}/asked"\necho '{"Username":"u","Secret":"p"}'\n`,
      );
      await createCredentials(home)("$(touch x);r.test:5000");
      expect(await readFile(join(home.dir, "asked"), "utf8")).toBe("1|get|$(touch x);r.test:5000");
    });

    it("are ended by an abort", async () => {
      const home = await makeHome({ ".docker/config.json": { credHelpers: { "r.test": "own" } } });
      await addHelper(home, "own", `#!/bin/sh\ntouch "${home.dir}/started"\nexec sleep 60\n`);
      const stop = new AbortController();
      const asking = lookUp({ ...home, signal: stop.signal })("r.test");
      await expect.poll(() => stat(join(home.dir, "started")).catch(() => undefined)).toBeDefined();
      stop.abort(new Error("enough"));
      await expect(asking).rejects.toThrow("enough");
    });

    it.each(["../evil", "a b", "-x", "a;b"])("are never started under the name %j", async (name) => {
      const home = await makeHome({ ".docker/config.json": { credHelpers: { "r.test": name } } });
      await expect(lookUp(home)("r.test")).rejects.toMatchObject({ code: "CREDENTIAL_HELPER_INVALID" });
    });
  });
});

describe("storeCredential and eraseCredential", () => {
  const alice = { kind: "basic", username: "alice", password: "s3:cret" } as const;

  it.skipIf(process.platform !== "linux")("gives up where no folder can be made", async () => {
    const home = await makeHome();
    const nowhere = { ...home, paths: { ...home.paths, dockerConfigDir: "/proc/no-such/docker" } };
    await expect(storeCredential(nowhere, "r.test", alice)).rejects.toMatchObject({
      code: "PATH_BLOCKED",
      kind: "failed",
      message: expect.stringContaining("/proc/no-such/docker"),
    });
  });

  it("makes a file only its owner can read", async () => {
    const home = await makeHome();
    const path = join(home.dir, ".docker", "config.json");
    expect(await storeCredential(home, "r.test", alice)).toEqual({ kind: "file", path });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
    expect(await lookUp(home)("r.test")).toEqual(alice);
  });

  it("keeps everything else in the file, in order, and the link to it", async () => {
    const config = {
      HttpHeaders: { a: "b" },
      auths: { "one.test": auth("one", "p"), "https://r.test/v2/": auth("old", "p") },
      psFormat: "x",
    };
    const home = await makeHome({ "real/config.json": config });
    const link = join(home.dir, ".docker", "config.json");
    await mkdir(dirname(link));
    await symlink("../real/config.json", link);
    await storeCredential(home, "r.test", alice);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readlink(link)).toBe("../real/config.json");
    const text = await readFile(link, "utf8");
    expect(JSON.parse(text)).toEqual({
      ...config,
      auths: { "one.test": auth("one", "p"), "r.test": auth("alice", "s3:cret") },
    });
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["HttpHeaders", "auths", "psFormat"]);
    expect(text).toContain('\n\t"auths"');
    expect((await stat(link)).mode & 0o777).toBe(0o600);
  });

  it("writes the Hub under its legacy URL", async () => {
    const home = await makeHome();
    await storeCredential(home, "docker.io", alice);
    const text = await readFile(join(home.dir, ".docker", "config.json"), "utf8");
    expect(JSON.parse(text)).toEqual({ auths: { "https://index.docker.io/v1/": auth("alice", "s3:cret") } });
  });

  it("keeps all of many logins at once", async () => {
    const home = await makeHome();
    const hosts = Array.from({ length: 8 }, (_each, at) => `r${at}.test`);
    await Promise.all(hosts.map((host) => storeCredential(home, host, alice)));
    const find = lookUp(home);
    expect(await Promise.all(hosts.map((host) => find(host)))).toEqual(hosts.map(() => alice));
    expect(await readdir(join(home.dir, ".docker"))).toEqual(["config.json"]);
  });

  it("would rather fail than lose a file it cannot read", async () => {
    const home = await makeHome({ ".docker/config.json": "{oops" });
    await expect(storeCredential(home, "r.test", alice)).rejects.toMatchObject({ code: "AUTH_FILE_INVALID" });
    expect(await readFile(join(home.dir, ".docker", "config.json"), "utf8")).toBe("{oops");
  });

  it("hands secrets to the helper, and writes none", async () => {
    const home = await makeHome({ ".docker/config.json": { credsStore: "general" } });
    await addHelper(home, "general");
    expect(await storeCredential(home, "r.test", alice)).toEqual({
      kind: "helper",
      program: "docker-credential-general",
    });
    const stored = JSON.parse(await readFile(join(home.dir, "vault", "stored"), "utf8")) as unknown;
    expect(stored).toEqual({ ServerURL: "r.test", Username: "alice", Secret: "s3:cret" });
    expect(await readFile(join(home.dir, ".docker", "config.json"), "utf8")).toBe('{"credsStore":"general"}');
  });

  it("forgets everywhere it keeps them", async () => {
    const config = { credsStore: "general", auths: { "https://r.test": auth("u", "p"), "other.test": auth("u", "p") } };
    const home = await makeHome({ ".docker/config.json": config });
    await addHelper(home, "general");
    await writeFile(join(home.dir, "vault", "r.test"), JSON.stringify({ Username: "u", Secret: "p" }));
    expect(await eraseCredential(home, "r.test")).toEqual([
      { kind: "helper", program: "docker-credential-general" },
      { kind: "file", path: join(home.dir, ".docker", "config.json") },
    ]);
    expect(await lookUp(home)("r.test")).toBeUndefined();
    expect(await lookUp(home)("other.test")).toEqual(basic("u"));
    expect(await eraseCredential(home, "r.test")).toEqual([]);
    expect(await eraseCredential(await makeHome(), "r.test")).toEqual([]);
  });
});
