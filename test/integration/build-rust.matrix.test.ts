import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { parseModule } from "../../src/wasm/parse-module.ts";
import { cacheRoot } from "../components/cache.mjs";
import { freePorts } from "../components/ports.ts";
import { writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { buildFailure, buildProject, type Finished, FILTERS, needRust } from "./toolchain-support.ts";

/** Compiles in a moment: no dependency, no standard library's panics. */
const LIBRARY = `#[no_mangle] pub extern "C" fn proxy_abi_version_0_2_1() {}\n`;

function manifest(name: string, more = ""): string {
  return `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n${more}`;
}

function lockOf(...names: readonly string[]): string {
  return `version = 3\n${names.map((name) => `[[package]]\nname = "${name}"\nversion = "0.1.0"\n`).join("\n")}`;
}

/** A crate of three lines; `files` come on top. */
async function crate(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const tree = { "Cargo.toml": manifest("filter"), "Cargo.lock": lockOf("filter"), "src/lib.rs": LIBRARY, ...files };
  return await writeTree(join(tempDir(), "filter"), tree);
}

function exportsOf(built: Finished): readonly string[] {
  return parseModule(built.bytes).exports.map(({ name }) => name);
}

const rust = { language: "rust" } as const;

describe("a filter on the SDK", () => {
  it("has the same digest from two folders and two homes of cargo, and is not built twice", async (context) => {
    await needRust(context);
    const [one, two] = [join(tempDir(), "one"), join(tempDir(), "quite", "another")];
    for (const folder of [one, two]) await cp(join(FILTERS, "rust-hello"), folder, { recursive: true });
    const first = await buildProject({ ...rust, source: one });
    expect(checkModule(first.bytes)).toMatchObject({ ok: true, abi: "0.2.1" });
    expect(first.facts).toMatchObject({
      language: "rust",
      compiler: expect.stringMatching(/^rustc \d/u),
      sdk: "proxy-wasm 0.2.5",
      target: "wasm32-wasip1",
      builder: "native",
    });
    const again = await buildProject({ ...rust, source: one });
    expect(again.output).toBe("");
    expect(again.bytes.equals(first.bytes)).toBe(true);
    const second = await buildProject({ ...rust, source: two, env: await otherHome() });
    expect(second.output).toContain("Compiling");
    expect(digestOf(second.bytes)).toBe(digestOf(first.bytes));
    for (const folder of [one, homedir()]) expect(first.bytes.includes(folder)).toBe(false);
  });
});

/** Another home of cargo with the same crates in it, to be unpacked anew. */
async function otherHome(): Promise<NodeJS.ProcessEnv> {
  const from = join(process.env["CARGO_HOME"] ?? join(homedir(), ".cargo"), "registry");
  const home = tempDir();
  await mkdir(join(home, "registry"));
  for (const name of ["index", "cache"]) await symlink(join(from, name), join(home, "registry", name));
  const config = await readFile(join(from, "..", "config.toml"), "utf8").catch(() => "");
  await writeFile(join(home, "config.toml"), config);
  return { ...process.env, CARGO_HOME: home };
}

describe("flags of the project", () => {
  const source = `${LIBRARY}#[cfg(mine)] #[no_mangle] pub extern "C" fn mine() {}\n#[cfg(ours)] #[no_mangle] pub extern "C" fn ours() {}\n`;
  it.each([
    ['[build]\nrustflags = ["--cfg", "mine"]', {}, ["mine"]],
    ['[target.wasm32-wasip1]\nrustflags = ["--cfg", "mine"]', {}, ["mine"]],
    [`[target.'cfg(target_os = "wasi")']\nrustflags = ["--cfg", "mine"]`, {}, ["mine"]],
    ['[build]\nrustflags = ["--cfg", "mine"]', { RUSTFLAGS: "--cfg ours" }, ["ours"]],
  ])("%s %j stay in force, and no folder gets into the module", async (config, env, names) => {
    const folder = await crate({
      ".cargo/config.toml": config,
      "Cargo.toml": manifest("filter", '[dependencies]\nshared = { path = "../shared" }\n'),
      "Cargo.lock": lockOf("filter", "shared").replace("\n\n", '\ndependencies = ["shared"]\n\n'),
      "src/lib.rs": `${source}#[no_mangle] pub extern "C" fn place() -> *const u8 { shared::place().as_ptr() }\n`,
      "../shared/Cargo.toml": manifest("shared").replace("cdylib", "rlib"),
      "../shared/src/lib.rs": "pub fn place() -> &'static str { file!() }\n",
    });
    const target = { CARGO_TARGET_DIR: join(cacheRoot(), "rust-target", "flags") };
    const built = await buildProject({ ...rust, source: folder, env: { ...process.env, ...target, ...env } });
    const exported = exportsOf(built);
    expect(["mine", "ours"].filter((name) => exported.includes(name))).toEqual(names);
    expect(built.bytes.includes("/project/shared/src/lib.rs")).toBe(true);
    expect(built.bytes.includes(join(folder, ".."))).toBe(false);
  });
});

describe("which crate", () => {
  const member = (name: string, type = "cdylib"): Record<string, string> => ({
    [`${name}/Cargo.toml`]: manifest(name).replace("cdylib", type),
    [`${name}/src/lib.rs`]: LIBRARY,
  });

  it("is the only one of a workspace that makes a module, by whatever name", async (context) => {
    await needRust(context);
    const folder = await writeTree(tempDir(), {
      "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
      "Cargo.lock": lockOf("one", "two"),
      ...member("one", "rlib"),
      ...member("two"),
      "two/Cargo.toml": manifest("two").replace("[lib]", '[lib]\nname = "quite_other"'),
    });
    expect(exportsOf(await buildProject({ ...rust, source: folder }))).toContain("proxy_abi_version_0_2_1");
    const own = await buildProject({ ...rust, source: join(folder, "two") });
    expect(own.modulePath).toMatch(/filter\.wasm$/u);
  });

  it("has to be told when there are several, and has to be a module", async (context) => {
    await needRust(context);
    const folder = await writeTree(tempDir(), {
      "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
      "Cargo.lock": lockOf("one", "two"),
      ...member("one"),
      ...member("two"),
    });
    const { error } = await buildFailure({ ...rust, source: folder });
    expect(error).toMatchObject({
      code: "SEVERAL_MODULES",
      kind: "usage",
      message: expect.stringContaining("one, two"),
    });
    const plain = await crate({ "Cargo.toml": manifest("filter").replace('["cdylib"]', '["rlib"]') });
    expect((await buildFailure({ ...rust, source: plain })).error).toMatchObject({
      code: "CRATE_NOT_CDYLIB",
      hint: expect.stringContaining('crate-type = ["cdylib"]'),
    });
  });
});

describe("bad input", () => {
  async function failing(
    context: TestContext,
    files: Readonly<Record<string, string>>,
    more: { env?: NodeJS.ProcessEnv; install?: boolean } = {},
  ): ReturnType<typeof buildFailure> {
    await needRust(context);
    const { install = true, env = {} } = more;
    return await buildFailure({
      ...rust,
      source: await crate(files),
      env: { ...process.env, ...env },
      request: { install },
    });
  }

  it("is shown as the compiler prints it, then said in one sentence", async (context) => {
    const { error, output } = await failing(context, { "src/lib.rs": `${LIBRARY}fn f() -> u32 { "x" }\n` });
    expect(error).toMatchObject({ code: "COMPILE_FAILED", kind: "build-failed" });
    expect(error.message).toBe("cannot compile the filter: src/lib.rs:2:17: mismatched types (E0308)");
    expect(error.hint).toMatch(/^rustc \d/u);
    expect(output).toContain("error[E0308]: mismatched types");
    expect(output).not.toContain('{"reason"');
  });

  it("at the linker is not taken for the compiler's", async (context) => {
    const config = '[target.wasm32-wasip1]\nrustflags = ["-Clink-arg=--no-such-flag"]';
    const { error } = await failing(context, { ".cargo/config.toml": config });
    expect(error).toMatchObject({ code: "LINK_FAILED", kind: "build-failed" });
  });

  it("in Cargo.toml and in the lock file is told apart", async (context) => {
    const broken = await failing(context, { "Cargo.toml": "[package\n" });
    expect(broken.error).toMatchObject({ code: "CARGO_TOML_INVALID", kind: "usage" });
    const outdated = await failing(context, { "Cargo.lock": lockOf("another") });
    expect(outdated.error).toMatchObject({
      code: "CARGO_LOCK_OUTDATED",
      hint: expect.stringContaining("cargo update"),
    });
  });

  it("without a lock file is built, with a warning", async (context) => {
    await needRust(context);
    const folder = await writeTree(tempDir(), { "Cargo.toml": manifest("filter"), "src/lib.rs": LIBRARY });
    const { events } = await buildProject({ ...rust, source: folder });
    expect(events).toContainEqual(
      expect.objectContaining({ type: "warning", message: expect.stringContaining("no Cargo.lock") }),
    );
  });

  it("without the crates says whether they were refused or could not be reached", async (context) => {
    const [port = 0] = await freePorts(1);
    const files = {
      "Cargo.toml": manifest("filter", '[dependencies]\nproxy-wasm = "0.2"\n'),
      "Cargo.lock": await readFile(join(FILTERS, "rust-hello", "Cargo.lock"), "utf8"),
      ".cargo/config.toml": `[source.crates-io]\nreplace-with = "x"\n[source.x]\nregistry = "sparse+http://127.0.0.1:${port}/"\n[net]\nretry = 0\n`,
    };
    const lock = files["Cargo.lock"].replace('version = "0.0.0"', 'version = "0.1.0"');
    const env = { CARGO_HOME: tempDir() };
    const refused = await failing(context, { ...files, "Cargo.lock": lock }, { env, install: false });
    expect(refused.error).toMatchObject({ code: "INSTALL_REFUSED", kind: "usage" });
    const unreachable = await failing(context, { ...files, "Cargo.lock": lock }, { env });
    expect(unreachable.error).toMatchObject({ code: "CRATES_UNREACHABLE", kind: "unreachable" });
  });
});
