import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importing } from "../support/module-corpus.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type Refusal, runRefused } from "../support/refusal.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { mountTmpfs } from "../support/tmpfs.ts";
import { buildModule } from "../support/wasm-builder.ts";

/** Files by name. */
type Files = Readonly<Record<string, string | Uint8Array>>;

/** A working folder with these files, and an empty home inside it. */
function folder(files: Files): { home: string; cwd: string } {
  const cwd = tempDir();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(cwd, name, ".."), { recursive: true });
    writeFileSync(join(cwd, name), content);
  }
  const home = join(cwd, ".home");
  mkdirSync(home);
  return { home, cwd };
}

const hello = readFileSync(HELLO_WASM);
const MODULES: readonly (readonly [string, Files, Refusal])[] = [
  ["a file that is not there", {}, { exit: 2, code: "FILE_NOT_FOUND", says: /f\.wasm/u }],
  ["a folder", { "f.wasm/x": "" }, { exit: 2, code: "FILE_UNREADABLE", says: /f\.wasm is a folder/u, hint: false }],
  ["text", { "f.wasm": "hello" }, { exit: 2, code: "MODULE_NOT_WASM", says: /f\.wasm is not a WebAssembly module/u }],
  ["nothing", { "f.wasm": "" }, { exit: 2, code: "MODULE_NOT_WASM", says: /empty file/u }],
  [
    "a component",
    { "f.wasm": Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]) },
    { exit: 7, code: "MODULE_IS_COMPONENT", says: /f\.wasm is a WebAssembly component/u, hint: /core module/u },
  ],
  ["a cut-off module", { "f.wasm": hello.subarray(0, 300) }, { exit: 2, code: "MODULE_MALFORMED", says: /cut off/u }],
  [
    "an unknown import",
    { "f.wasm": importing({ name: "nope" }) },
    { exit: 7, code: "MODULE_UNKNOWN_IMPORT", says: /f\.wasm imports env\.nope/u },
  ],
  [
    "an import of a wrong type",
    { "f.wasm": importing({ name: "proxy_set_tick_period_milliseconds", params: "ii", result: "i" }) },
    { exit: 7, code: "MODULE_IMPORT_TYPE", says: /proxy_set_tick_period_milliseconds with a wrong type \(want: / },
  ],
  ["no ABI marker", { "f.wasm": buildModule({}) }, { exit: 7, code: "MODULE_NO_ABI", says: /f\.wasm declares no/u }],
];

describe("build precompiled refuses what no proxy loads", () => {
  it.each(MODULES)("%s", async (_what, files, refusal) => {
    const line = ["build", "precompiled", "f.wasm", "-t", "hello:v1"];
    expect(await runRefused(line, folder(files), refusal)).toMatchObject({ code: refusal.code });
  });
});

const CONFIGS: readonly (readonly [string, Files, Refusal])[] = [
  ["that is not there", {}, { exit: 2, code: "FILE_NOT_FOUND", says: /runtime config .*c\.json/u }],
  ["that is not JSON", { "c.json": "{" }, { exit: 2, code: "RUNTIME_CONFIG_INVALID", says: /c\.json/u }],
  ["that is a list", { "c.json": "[]" }, { exit: 2, code: "RUNTIME_CONFIG_INVALID", says: /not a JSON object/u }],
  [
    "with root ids that are no list",
    { "c.json": '{"type":"envoy_proxy","config":{"rootIds":"a"}}' },
    { exit: 2, code: "RUNTIME_CONFIG_INVALID", says: /rootIds/u },
  ],
];

describe("a runtime config", () => {
  it.each(CONFIGS)("%s", async (_what, files, refusal) => {
    const line = ["build", "precompiled", "f.wasm", "-t", "hello:v1", "-c", "c.json"];
    expect(await runRefused(line, folder({ "f.wasm": hello, ...files }), refusal)).toMatchObject({
      code: refusal.code,
    });
  });
});

const PROJECTS: readonly (readonly [string, string, Files, Refusal])[] = [
  ["a folder that is not there", "build ./nope -t a", {}, { exit: 2, code: "SOURCE_NOT_FOUND", says: /nope/u }],
  [
    "a folder of no known language",
    "build . -t a",
    { "main.zig": "" },
    { exit: 2, code: "LANGUAGE_NOT_RECOGNISED", says: /no project/u, hint: /asconfig\.json/u },
  ],
  [
    "missing packages that may not be installed",
    "build . -t a --no-install",
    { "package.json": '{"dependencies":{"assemblyscript":"0.28.0"}}', "assembly/index.ts": "" },
    { exit: 2, code: "INSTALL_REFUSED", says: /assemblyscript is not installed in/u },
  ],
  [
    "init over a file of the project's",
    "init p --language assemblyscript",
    { "p/package.json": "{}", "p/asconfig.json": "{}" },
    { exit: 2, code: "INIT_NOT_EMPTY", says: /asconfig\.json.*package\.json/u, hint: /--force/u },
  ],
  [
    "init into a folder with other files",
    "init p --language assemblyscript",
    { "p/notes.txt": "" },
    { exit: 2, code: "INIT_NOT_EMPTY", says: /notes\.txt/u, hint: /--force/u },
  ],
  [
    "init where a file is",
    "init p --language assemblyscript",
    { p: "" },
    { exit: 2, code: "INIT_BLOCKED", says: /a file is in its place/u },
  ],
  [
    "init of an unknown template",
    "init p --language assemblyscript --template nope",
    {},
    { exit: 2, code: "TEMPLATE_UNKNOWN", says: /"nope"/u, hint: /add-header/u },
  ],
];

describe("project folders", () => {
  it.each(PROJECTS)("%s", async (_what, line, files, refusal) => {
    expect(await runRefused(line.split(" "), folder(files), refusal)).toMatchObject({ code: refusal.code });
  });
});

/** Every command that takes an image of the local store. */
const TAKE_IMAGE: readonly string[] = [
  "tag nope:v1 other:v1",
  "rm nope:v1",
  "rm hello:v1 nope:v1",
  "inspect nope:v1",
  "push localhost:1/nope:v1",
  "deploy envoy nope:v1",
  "deploy envoy nope:v1 --out -",
  "deploy istio nope:v1 --id x --dry-run=client",
];

describe("an image the store does not have", () => {
  it.each(TAKE_IMAGE)("wasme %s", async (line) => {
    const home = tempDir();
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home })).code).toBe(0);
    const refusal = { exit: 3, code: "IMAGE_NOT_FOUND", says: /no image \S+\/nope:v1 in the local store/u };
    expect(await runRefused(line.split(" "), { home }, { ...refusal, hint: /wasme list/u })).toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  it("without any store", async () => {
    const refusal = { exit: 3, code: "IMAGE_NOT_FOUND", says: /nope/u };
    expect(await runRefused(["inspect", "nope"], { home: tempDir() }, refusal)).toMatchObject({ code: refusal.code });
  });
});

const INPUT_FILES: readonly (readonly [string, Files, Refusal])[] = [
  [
    "deploy istio hello:v1 --id x --config @nope.json",
    {},
    { exit: 2, code: "FILE_UNREADABLE", says: /--config.*nope\.json.*no such file/u, hint: false },
  ],
  [
    "deploy istio hello:v1 --id x -f nope.yaml",
    {},
    { exit: 2, code: "MANIFEST_MISSING", says: /nope\.yaml/u, hint: false },
  ],
  [
    "deploy istio hello:v1 --id x -f broken.yaml",
    { "broken.yaml": "{{{" },
    { exit: 2, code: "MANIFEST_INVALID", says: /broken\.yaml is broken/u, hint: false },
  ],
  [
    "deploy istio hello:v1 --id x -f empty.yaml",
    { "empty.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n" },
    { exit: 3, code: "WORKLOAD_NOT_FOUND", says: /Deployment/u },
  ],
  [
    "deploy envoy hello:v1 -b nope.yaml",
    {},
    { exit: 2, code: "FILE_UNREADABLE", says: /--bootstrap.*nope\.yaml/u, hint: false },
  ],
  [
    "deploy envoy hello:v1 -b broken.yaml --out -",
    { "broken.yaml": "{{{" },
    { exit: 2, code: "BOOTSTRAP_INVALID", says: /broken\.yaml is not an Envoy bootstrap/u },
  ],
  [
    "deploy envoy hello:v1 -b empty.yaml --out -",
    { "empty.yaml": "static_resources: {listeners: []}\n" },
    { exit: 3, code: "NO_CONNECTION_MANAGER", says: /empty\.yaml/u },
  ],
  ["deploy envoy hello:v1 --upstream ftp://x --out -", {}, { exit: 2, code: "UPSTREAM_INVALID", says: /--upstream/u }],
  [
    "pull localhost:1/a --ca-file nope.pem",
    {},
    { exit: 2, code: "FILE_UNREADABLE", says: /--ca-file: cannot read nope\.pem/u, hint: false },
  ],
  [
    "push hello:v1 --auth-file nope.json",
    {},
    { exit: 2, code: "FILE_UNREADABLE", says: /--auth-file: cannot read nope\.json/u, hint: false },
  ],
];

describe("files that options name", () => {
  it.each(INPUT_FILES)("wasme %s", async (line, files, refusal) => {
    const place = folder(files);
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], place)).code).toBe(0);
    expect(await runRefused(line.split(" "), place, refusal)).toMatchObject({ code: refusal.code });
  });
});

describe("a disk that takes nothing", () => {
  const LINES = [
    `build precompiled ${HELLO_WASM} -t hello:v2`,
    "tag hello:v1 hello:v2",
    "rm hello:v1",
    "init p --language assemblyscript",
    "deploy envoy hello:v1 --out new.yaml",
  ];

  it.for(LINES)("read-only: wasme %s", async (line, context) => {
    const disk = mountTmpfs(context, "8m");
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home: disk.dir })).code).toBe(0);
    mkdirSync(join(disk.dir, ".tmp"));
    disk.remount("ro");
    expect(() => writeFileSync(join(disk.dir, "plain"), "x")).toThrow(/EROFS/u);
    const refusal = { exit: 1, code: "READ_ONLY", says: /cannot .*: the file system is read-only/u, before: DERIVED };
    expect(await runRefused(line.split(" "), { home: disk.dir }, refusal)).toMatchObject({ code: "READ_ONLY" });
  });

  it("reads a store on a read-only disk", async (context) => {
    const disk = mountTmpfs(context, "8m");
    await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home: disk.dir });
    disk.remount("ro");
    expect(await runCli(["list", "-q"], { home: disk.dir })).toMatchObject({ code: 0, stderr: "" });
    expect(await runCli(["inspect", "-q", "hello:v1"], { home: disk.dir })).toMatchObject({ code: 0, stderr: "" });
  });

  it.for(LINES)("full: wasme %s", async (line, context) => {
    const disk = mountTmpfs(context, "1m");
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home: disk.dir })).code).toBe(0);
    mkdirSync(join(disk.dir, ".tmp"));
    fill(disk.dir);
    expect(() => writeFileSync(join(disk.dir, "plain"), "x".repeat(4096))).toThrow(/ENOSPC/u);
    rmSync(join(disk.dir, "plain"), { force: true });
    const refusal = { exit: 1, code: "DISK_FULL", says: /cannot .*: the disk is full/u, before: DERIVED };
    expect(await runRefused(line.split(" "), { home: disk.dir }, refusal)).toMatchObject({ code: "DISK_FULL" });
  });
});

const DERIVED = /^No runtime config given: derived from/u;

/** Fills a file system to the last byte. */
function fill(dir: string): void {
  const file = openSync(join(dir, "filler"), "w");
  const fillWith = (size: number): void => {
    for (;;) {
      try {
        if (writeSync(file, Buffer.alloc(size)) < size) return;
      } catch {
        return;
      }
    }
  };
  for (const size of [65_536, 4096, 1]) fillWith(size);
  closeSync(file);
}

it("says that the working folder was deleted", () => {
  const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$1" list';
  const bin = join(import.meta.dirname, "../../bin/wasme.js");
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, bin], {
    cwd: tempDir(),
    encoding: "utf8",
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 2,
    stdout: "",
    stderr: "Error: the folder you are in is gone\nHint: cd to another one\n",
  });
});
