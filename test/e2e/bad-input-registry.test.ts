import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { registryUsers } from "../components/users.ts";
import { need } from "../components/require-component.ts";
import { startRegistry } from "../components/registry.ts";
import { body, cutBody, refuse, status, wrongByte } from "../support/fault-kinds.ts";
import type { Fault } from "../support/fault-exchange.ts";
import { type FaultRegistry, type RequestClass, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM, writeModule } from "../support/modules.ts";
import { type Refusal, runRefused } from "../support/refusal.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const BEFORE = /^(?:Pulling|Pushing|Warning: ).*/u;
let registry: FaultRegistry;

beforeAll(async () => {
  registry = await startFaultRegistry();
});
afterAll(() => registry.close());
beforeEach(() => registry.reset());

/** A home whose store has the image under the registry's name, or another home when the registry has it. */
async function prepare(where: "local" | "remote", host = registry.host): Promise<string> {
  const home = tempDir();
  const reference = `${host}/team/${where === "local" ? "new" : "hello"}:v1`;
  await succeed(home, ["build", "precompiled", HELLO_WASM, "-t", reference]);
  if (where === "local") return home;
  await succeed(home, ["push", reference]);
  const other = tempDir();
  await succeed(other, ["build", "precompiled", writeModule(other, "other.wasm"), "-t", "other:v1"]);
  return other;
}

async function succeed(home: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCli(args, { home });
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
}

/** What happened to the request, which command line, and what is said. `HOST` is the registry. */
const FAULTS: readonly (readonly [string, string, RequestClass, Fault, Refusal])[] = [
  [
    "404",
    "pull HOST/team/hello:v2",
    "other",
    status(200),
    { exit: 3, code: "IMAGE_NOT_FOUND", says: /team\/hello:v2/u },
  ],
  [
    "404 on inspect",
    "inspect --remote HOST/a/b",
    "other",
    status(200),
    { exit: 3, code: "IMAGE_NOT_FOUND", says: /a\/b/u },
  ],
  [
    "401",
    "pull HOST/team/hello:v1",
    "manifest.get",
    refuse(401, "UNAUTHORIZED", "authentication required"),
    { exit: 4, code: "REGISTRY_UNAUTHORISED", says: /HOST refused .*team\/hello.*401/u, hint: /wasme login HOST/u },
  ],
  [
    "403",
    "pull HOST/team/hello:v1",
    "manifest.get",
    refuse(403, "DENIED", "no access for you"),
    { exit: 4, code: "REGISTRY_DENIED", says: /HOST refused .*team\/hello.*403/u },
  ],
  [
    "403 on a push",
    "push HOST/team/new:v1",
    "upload.post",
    refuse(403, "DENIED", "no access for you"),
    { exit: 4, code: "REGISTRY_DENIED", says: /HOST refused .*403/u },
  ],
  [
    "429 for ever",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "manifest.get",
    status(429, { "retry-after": "3600" }),
    { exit: 5, code: "REGISTRY_BUSY", says: /HOST.*(?:3600|1 ?h)/u },
  ],
  [
    "429 without a time",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "manifest.get",
    status(429),
    { exit: 5, code: "REGISTRY_BUSY", says: /HOST/u },
  ],
  [
    "503 for ever",
    "push HOST/team/new:v1 --retry-budget 1s",
    "upload.post",
    status(503),
    { exit: 5, code: "REGISTRY_UNAVAILABLE", says: /HOST.*503/u },
  ],
  [
    "500 for ever",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "manifest.get",
    status(500),
    { exit: 5, code: "REGISTRY_UNAVAILABLE", says: /HOST.*500/u },
  ],
  [
    "a truncated module",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "blob.get",
    body((real) => real.subarray(0, 20)),
    { exit: 1, code: "BLOB_DAMAGED", says: /HOST sent a damaged blob: 20 instead of .* bytes/u },
  ],
  [
    "a connection that breaks every time",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "blob.get",
    cutBody(20, "reset"),
    { exit: 5, code: "REGISTRY_UNREACHABLE", says: /the connection to HOST broke: it was reset/u },
  ],
  [
    "an altered module",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "blob.get",
    wrongByte(),
    { exit: 1, code: "BLOB_DAMAGED", says: /HOST sent a damaged blob: other bytes/u },
  ],
  [
    "an altered manifest",
    "pull HOST/team/hello:v1 --retry-budget 1s",
    "manifest.get",
    wrongByte(),
    { exit: 1, code: "MANIFEST_DAMAGED", says: /the manifest v1 of HOST/u },
  ],
  [
    "no registry at all",
    "pull HOST/team/hello:v1",
    "manifest.get",
    status(200, { "content-type": "text/html" }),
    { exit: 1, code: "MANIFEST_INVALID", says: /HOST answered .* not a valid/u },
  ],
];

describe("what registries answer", () => {
  it.each(FAULTS)("%s: wasme %s", async (_what, line, kinds, fault, refusal) => {
    const home = await prepare(line.startsWith("push") ? "local" : "remote");
    registry.on(kinds, fault);
    const insert = (text: RegExp): RegExp => new RegExp(text.source.replaceAll("HOST", registry.host), "u");
    const words = line.replace("HOST", registry.host).split(" ");
    const { hint } = refusal;
    const error = await runRefused(
      words,
      { home },
      {
        ...refusal,
        before: BEFORE,
        mayKeep: /\.wasme\/images\/blobs\/sha256\//u,
        says: insert(refusal.says as RegExp),
        ...(hint instanceof RegExp ? { hint: insert(hint) } : {}),
      },
    );
    expect(error.code).toBe(refusal.code);
  });
});

const NOBODY: readonly (readonly [string, Refusal])[] = [
  [
    "pull localhost:1/a:v1",
    { exit: 5, code: "REGISTRY_UNREACHABLE", says: /localhost:1: the connection was refused/u },
  ],
  ["inspect --remote localhost:1/a:v1", { exit: 5, code: "REGISTRY_UNREACHABLE", says: /localhost:1/u }],
  ["login localhost:1 -u a -p b", { exit: 5, code: "REGISTRY_UNREACHABLE", says: /localhost:1/u }],
  ["push localhost:1/team/new:v1", { exit: 5, code: "REGISTRY_UNREACHABLE", says: /localhost:1/u }],
  [
    "pull registry.invalid/a:v1",
    { exit: 5, code: "REGISTRY_UNREACHABLE", says: /registry\.invalid: there is no such host/u },
  ],
];

describe("nobody there", () => {
  it.each(NOBODY)("wasme %s", async (line, refusal) => {
    const home = await prepare("local", "localhost:1");
    const words = line.split(" ");
    expect(await runRefused(words, { home }, { ...refusal, before: BEFORE })).toMatchObject({ code: refusal.code });
  });
});

describe("a registry with accounts", () => {
  const [alice] = registryUsers;

  it("wrong credentials, none, and a broken credentials file", async (context) => {
    const real = await need(context, "registry", () => startRegistry({ auth: "htpasswd" }));
    try {
      const home = await prepare("local", real.host);
      const reference = `${real.host}/team/new:v1`;
      const refusal = {
        exit: 4,
        code: "REGISTRY_UNAUTHORISED",
        says: new RegExp(`${real.host}.*401`, "u"),
        before: BEFORE,
      };
      const hint = { hint: new RegExp(`wasme login ${real.host}`, "u") };
      await runRefused(["push", reference], { home }, { ...refusal, ...hint });
      await runRefused(["pull", reference], { home }, { ...refusal, ...hint });
      await runRefused(["pull", reference, "-u", "alice", "-p", "wrong"], { home }, refusal);
      const login = { exit: 4, code: "LOGIN_REFUSED", says: new RegExp(real.host, "u"), before: BEFORE };
      await runRefused(["login", real.host, "-u", alice?.username ?? "", "-p", "wrong"], { home }, login);
      writeFileSync(join(home, "broken.json"), "{");
      const broken = { exit: 2, code: "AUTH_FILE_INVALID", says: /broken\.json/u, before: BEFORE };
      const error = await runRefused(["pull", reference, "--auth-file", "broken.json"], { home }, broken);
      expect(error.message).not.toContain("wrong");
      expect(readFileSync(join(home, "broken.json"), "utf8")).toBe("{");
    } finally {
      await real.stop();
    }
  });
});
