import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { createServerIdentity } from "../components/certificates.ts";
import { rawRequest } from "../components/raw-http.ts";
import { need } from "../components/require-component.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { alice, reader, registryUsers } from "../components/users.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { Keys, startOnPty } from "../support/pty.ts";
import { type CliResult, runCli, spawnCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A `wasme registry serve` that runs. */
interface Served {
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
  readonly url: string;
  /** `localhost:PORT`. */
  readonly name: string;
}

/** Starts it on a free port and waits for the line that names it; ends it with the test. */
async function serve(home: string, ...args: readonly string[]): Promise<Served> {
  const { child, result } = spawnCli(["registry", "serve", "--listen", "127.0.0.1:0", ...args], { home });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await result;
  });
  if (child.stderr === null) throw new Error("no stderr");
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith("{")) throw new Error(line);
    const { url, name } = JSON.parse(line) as { readonly url: string; readonly name: string };
    child.stderr.resume();
    return { child, result, url, name };
  }
  throw new Error("ended at once");
}

async function build(home: string, image: string): Promise<string> {
  const { code, stdout, stderr } = await runCli(["build", "precompiled", HELLO_WASM, "-t", image, "-q"], { home });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
}

const login = (password: string): { readonly input: string } => ({ input: password });

/** Waits until something is so: the test's own limit ends what never is. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("wasme registry serve", () => {
  it("serves the local store: what is built is there at once, what is pushed shows in list", async () => {
    const home = tempDir();
    const { name } = await serve(home);
    const digest = await build(home, `${name}/demo/hello:v1`);
    const port = name.split(":")[1] ?? "";
    const other = tempDir();
    const pulled = await runCli(["pull", `127.0.0.1:${port}/demo/hello:v1`, "-q"], { home: other });
    expect(pulled).toMatchObject({ code: 0, stdout: `${digest}\n` });
    await runCli(["tag", `127.0.0.1:${port}/demo/hello:v1`, `127.0.0.1:${port}/demo/new:v2`], { home: other });
    const pushed = await runCli(["push", `127.0.0.1:${port}/demo/new:v2`, "-o", "json"], { home: other });
    expect(pushed.code).toBe(0);
    const list = await runCli(["list", "-o", "name"], { home });
    expect(list.stdout.trim().split("\n").toSorted()).toEqual([`${name}/demo/hello:v1`, `${name}/demo/new:v2`]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends with %s, once what is under way has ended", async (signal, code) => {
    const home = tempDir();
    const { child, result, url } = await serve(home);
    const slow = rawRequest({ url: `${url}/v2/demo/slow/blobs/uploads/`, method: "POST" });
    const { location = "" } = (await slow).headers;
    const upload = request(new URL(location, url), { method: "PATCH" });
    const answered = once(upload, "response");
    upload.write("one");
    const arrived = async (): Promise<boolean> =>
      (await rawRequest({ url: new URL(location, url).href })).headers["range"] === "0-2";
    const refused = async (): Promise<boolean> =>
      await rawRequest({ url: `${url}/v2/`, headers: { connection: "close" } }).then(
        () => false,
        () => true,
      );
    await until(arrived);
    child.kill(signal);
    await until(refused);
    upload.end("two");
    const [response] = (await answered) as [{ readonly statusCode: number; readonly headers: { range?: string } }];
    expect(response.statusCode).toBe(202);
    expect(response.headers.range).toBe("0-5");
    await expect(result).resolves.toMatchObject({ code, stdout: "" });
    await expect(rawRequest({ url: `${url}/v2/` })).rejects.toThrow("ECONNREFUSED");
  });

  it.each(["basic", "token"])("asks for users in %s mode: login, push, pull, wrong and no password", async (mode) => {
    const home = tempDir();
    const users = join(home, "users");
    writeFileSync(users, registryUsers.map(({ htpasswd }) => `${htpasswd}\n`).join(""));
    const { name } = await serve(tempDir(), "--htpasswd", users, "--auth", mode, "--anonymous-pull");
    const image = `${name}/demo/hello:v1`;
    await build(home, image);

    expect(await runCli(["push", image], { home })).toMatchObject({ code: 4 });
    const wrong = await runCli(["login", name, "-u", alice.username, "--password-stdin"], { home, ...login("wrong") });
    expect(wrong).toMatchObject({ code: 4 });
    expect(wrong.stderr).not.toContain("wrong\n");
    const right = ["login", name, "-u", alice.username, "--password-stdin"];
    expect(await runCli(right, { home, ...login(alice.password) })).toMatchObject({ code: 0 });
    expect(await runCli(["push", image, "-q"], { home })).toMatchObject({ code: 0 });
    expect(await runCli(["pull", image, "-q"], { home: tempDir() })).toMatchObject({ code: 0 });
  });

  it("works with skopeo, which asks for a token and mounts blobs", async (context) => {
    await need(context, "skopeo", skopeoPath);
    const home = tempDir();
    writeFileSync(join(home, "users"), `${reader.htpasswd}\n`);
    const { name } = await serve(home, "--htpasswd", "users", "--auth", "token");
    await build(home, `${name}/demo/hello:v1`);
    const creds = `${reader.username}:${reader.password}`;
    const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    const users = ["--src-creds", creds, "--dest-creds", creds];
    const [from, to] = [`docker://${name}/demo/hello:v1`, `docker://${name}/copied/there:v2`];
    const copied = await skopeo(["copy", ...insecure, ...users, from, to]);
    expect(copied, copied.stderr).toMatchObject({ code: 0 });
    const tags = await skopeo(["list-tags", "--tls-verify=false", "--creds", creds, `docker://${name}/copied/there`]);
    expect(JSON.parse(tags.stdout)).toMatchObject({ Tags: ["v2"] });
    const removed = await skopeo([
      "delete",
      "--tls-verify=false",
      "--creds",
      creds,
      `docker://${name}/copied/there:v2`,
    ]);
    expect(removed, removed.stderr).toMatchObject({ code: 0 });
    const list = await runCli(["list", "-o", "name"], { home });
    expect(list.stdout).toBe(`${name}/demo/hello:v1\n`);
  });

  it("serves https with a certificate", async () => {
    const dir = tempDir();
    const identity = await createServerIdentity(dir, "127.0.0.1");
    const home = tempDir();
    const { name, url } = await serve(home, "--tls-cert", identity.certificate, "--tls-key", identity.key);
    expect(url).toMatch(/^https:/u);
    const image = `127.0.0.1:${name.split(":")[1] ?? ""}/demo/hello:v1`;
    const other = tempDir();
    await build(other, image);
    const pushed = await runCli(["push", image, "--ca-file", identity.caFile], { home: other });
    expect(pushed, pushed.stderr).toMatchObject({ code: 0 });
    const plain = await rawRequest({
      url: `${url}/v2/demo/hello/tags/list`,
      ca: readFileSync(identity.caFile, "utf8"),
    });
    expect(JSON.parse(plain.text)).toEqual({ name: "demo/hello", tags: ["v1"] });
  });

  it("refuses what changes something under --read-only, and deletes under --no-delete", async () => {
    const home = tempDir();
    const first = await serve(home, "--no-delete", "--name", "registry.test");
    await build(home, "registry.test/demo/hello:v1");
    const remove = async (url: string): Promise<number> =>
      (await rawRequest({ url: `${url}/v2/demo/hello/manifests/v1`, method: "DELETE" })).status;
    expect(await remove(first.url)).toBe(405);
    const second = await serve(home, "--read-only", "--name", "registry.test");
    expect(await remove(second.url)).toBe(405);
    expect((await rawRequest({ url: `${second.url}/v2/demo/hello/blobs/uploads/`, method: "POST" })).status).toBe(405);
    expect((await rawRequest({ url: `${second.url}/v2/demo/hello/manifests/v1` })).status).toBe(200);
  });

  it("logs each request as JSON, without its query, and warns when everybody can push from elsewhere", async () => {
    const { child, result } = spawnCli(["registry", "serve", "--listen", ":0"], { home: tempDir() });
    onTestFinished(() => void child.kill("SIGKILL"));
    const lines: Record<string, unknown>[] = [];
    if (child.stderr === null) throw new Error("no stderr");
    for await (const line of createInterface({ input: child.stderr })) {
      if (!line.startsWith("{")) break;
      lines.push(JSON.parse(line) as Record<string, unknown>);
      const port = /:(\d+)$/u.exec(String(lines[0]?.["name"]))?.[1] ?? "";
      if (lines.length === 2) await rawRequest({ url: `http://127.0.0.1:${port}/v2/a/tags/list?n=1&secret=x` });
      if (lines.length === 3) child.kill("SIGTERM");
    }
    expect((await result).code).toBe(143);
    expect(lines).toMatchObject([
      { level: "info", name: expect.stringMatching(/^localhost:/u), next: expect.stringMatching(/^wasme push /u) },
      { level: "warn", message: expect.stringContaining("can push and delete") },
      { level: "info", message: "request", method: "GET", path: "/v2/a/tags/list", status: 404 },
    ]);
    expect(JSON.stringify(lines)).not.toContain("secret");
  });

  it("speaks to people on a terminal: what to type next, a line for each request, Ctrl-C", async (context) => {
    const home = tempDir();
    const users = join(home, "users");
    writeFileSync(users, `${alice.htpasswd}\n`);
    const args = ["registry", "serve", "--listen", "127.0.0.1:0", "--dir", "served", "--htpasswd", users];
    const pty = startOnPty(context, args, { home, columns: 200 });
    await pty.seen(/Serving \S+served at http:\/\/127\.0\.0\.1:\d+ as localhost:\d+: users of \S+users may push/u);
    await pty.seen(/Next: wasme login localhost:\d+/u);
    const [, name = ""] = /as (localhost:\d+)/u.exec(pty.plain()) ?? [];
    const authorization = `Basic ${Buffer.from(`alice:${alice.password}`).toString("base64")}`;
    await rawRequest({
      url: `http://${name.replace("localhost", "127.0.0.1")}/v2/a/tags/list`,
      headers: { authorization },
    });
    await pty.seen(/\d\d:\d\d:\d\d 404 GET \/v2\/a\/tags\/list [\d.]+ ms, alice/u);
    expect(pty.plain()).not.toContain("{");
    pty.type(Keys.interrupt);
    expect(await pty.ended).toBe(130);
    expect(pty.plain()).not.toContain("Interrupted");
  });

  it.each([
    [["--listen", "nonsense:x"], 2, '--listen "nonsense:x" is not an address'],
    [["--listen", "127.0.0.1:70000"], 2, "is not an address"],
    [["--listen", ""], 2, "is not an address"],
    [["--auth", "token"], 2, "--auth token needs --htpasswd"],
    [["--auth", "none", "--htpasswd", "users"], 2, "exclude each other"],
    [["--anonymous-pull"], 2, "--anonymous-pull needs --htpasswd"],
    [["--htpasswd", "absent"], 2, "cannot read"],
    [["--htpasswd", "md5"], 2, "line 2 of"],
    [["--htpasswd", "empty"], 2, "holds no user"],
    [["--tls-cert", "md5"], 2, "--tls-key is missing"],
    [["--tls-key", "md5"], 2, "--tls-cert is missing"],
    [["--tls-cert", "md5", "--tls-key", "md5"], 2, "not a pair in PEM form"],
    [["--tls-cert", "absent", "--tls-key", "md5"], 2, "--tls-cert: cannot read absent"],
    [["--name", "not a host"], 2, "is not a registry"],
    [["--dir", "full"], 2, "is not an image store"],
    [["--dir", "none", "--read-only"], 2, "there is no image store in"],
    [["--token-lifetime", "soon"], 2, "--token-lifetime"],
    [["extra"], 2, "extra"],
  ])("refuses %j with %i: %s", async (args, code, message) => {
    const home = tempDir();
    writeFileSync(join(home, "md5"), `${alice.htpasswd}\nbob:$apr1$abc$def\n`);
    writeFileSync(join(home, "empty"), "# nobody\n\n");
    writeFileSync(join(home, "users"), `${alice.htpasswd}\n`);
    mkdirSync(join(home, "full"));
    writeFileSync(join(home, "full", "letter.txt"), "");
    const free = args[0] === "--listen" ? [] : ["--listen", "127.0.0.1:0"];
    const ended = await runCli(["registry", "serve", ...free, ...args], { home });
    expect(ended).toMatchObject({ code, stdout: "" });
    expect(ended.stderr.split("\n")[0]).toMatch(/^Error: /u);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).not.toMatch(/\$2y|\$apr1|\bat .*\.js:/u);
  });

  it("says that a port is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as { readonly port: number };
    const ended = await runCli(["registry", "serve", "--listen", `127.0.0.1:${port}`], { home: tempDir() });
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining("the port is taken") });
    expect(ended.stderr).toContain("Hint: choose another port, or 0 for a free one");
  });
});

describe("wasme registry htpasswd", () => {
  it("prints a line that registry serve takes", async () => {
    const home = tempDir();
    const made = await runCli(["registry", "htpasswd", "carol", "--password-stdin"], { home, ...login("s3 cret\n") });
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect(made.stdout).toMatch(/^carol:\$2[aby]\$10\$.{53}\n$/u);
    writeFileSync(join(home, "users"), made.stdout);
    const { url } = await serve(home, "--htpasswd", "users");
    const ask = async (password: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(`carol:${password}`).toString("base64")}`;
      return (await rawRequest({ url: `${url}/v2/`, headers: { authorization } })).status;
    };
    expect(await ask("s3 cret")).toBe(200);
    expect(await ask("s3 cre")).toBe(401);
  });

  it.each([
    [["a:b"], "x", "cannot be the name of a user"],
    [["carol"], "", "stdin holds no password"],
    [["carol"], "x".repeat(73), "more than 72 bytes"],
  ])("refuses %j with the password %j", async (args, password, message) => {
    const ended = await runCli(["registry", "htpasswd", ...args, "--password-stdin"], {
      home: tempDir(),
      ...login(password),
    });
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(message);
  });
});
