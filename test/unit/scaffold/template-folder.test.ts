import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { initProject, type InitRequest, type InitResult } from "../../../src/scaffold/init-project.ts";
import { failure } from "../../support/failure.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { depsIn } from "./scaffold-support.ts";

const MANIFEST = {
  name: "acme-auth",
  summary: "asks acme",
  language: "rust",
  leaveOut: ["docs"],
  next: "Set the key.",
};

/** A working directory with a template in `template/`. */
function templateOf(files: Readonly<Record<string, string>>, manifest: object | null = MANIFEST): string {
  const cwd = tempDir();
  const all = { "src/lib.rs": "// a filter\n", ...files };
  for (const [path, text] of Object.entries(all)) write(join(cwd, "template", path), text);
  if (manifest !== null) write(join(cwd, "template/wasme-template.json"), JSON.stringify(manifest));
  return cwd;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function init(cwd: string, more: Partial<InitRequest> = {}): Promise<InitResult> {
  return initProject(depsIn(cwd), { directory: "mine", template: "./template", ...more }, () => undefined);
}

async function refusal(cwd: string, more: Partial<InitRequest> = {}): Promise<Awaited<ReturnType<typeof failure>>> {
  const error = await failure(init(cwd, more));
  expect(readdirSync(cwd)).not.toContain("mine");
  return error;
}

describe("a template in a folder", () => {
  it("is copied without its manifest, what it leaves out, and what builds leave behind", async () => {
    const cwd = templateOf({
      "Cargo.toml": '[package]\nname = "filter"\n',
      "docs/a.md": "",
      "docs-of-mine/a.md": "",
      "target/debug/x": "",
      "node_modules/x/index.js": "",
      ".git/HEAD": "",
      _gitignore: "target/\n",
    });
    const result = await init(cwd);
    expect(result).toMatchObject({ language: "rust", template: "acme-auth", notes: "Set the key." });
    expect(result.files).toEqual([".gitignore", "Cargo.toml", "docs-of-mine/a.md", "src/lib.rs"]);
    expect(result.nextCommand).toBe("wasme build ./mine -t mine:v0.1");
  });

  it("needs no manifest when it is a filter project", async () => {
    const cwd = templateOf({ "go.mod": "module x\n", "runtime-config.json": "{}", "a.test.yaml": "" }, null);
    expect(await init(cwd)).toMatchObject({ language: "go", template: "./template", nextCommand: "wasme test ./mine" });
  });

  it("is refused when it is neither, with what a template has", async () => {
    const error = await refusal(templateOf({}, null));
    expect(error).toMatchObject({ kind: "usage", code: "TEMPLATE_INVALID" });
    expect(error.message).toContain("wasme-template.json");
    expect(error.hint).toContain("runtime-config.json");
  });

  it("is refused when it is in another language than was asked for", async () => {
    const cwd = templateOf({});
    expect(await refusal(cwd, { language: "go" })).toMatchObject({ code: "TEMPLATE_LANGUAGE" });
    expect(await init(cwd, { language: "Rust" })).toMatchObject({ language: "rust" });
  });

  it("is told when it is not there", async () => {
    expect(await refusal(tempDir(), { template: "./nope" })).toMatchObject({
      kind: "not-found",
      code: "TEMPLATE_NOT_FOUND",
    });
  });
});

describe("a hostile template", () => {
  it("has its links refused by name, also one that is its manifest, but not one that is left out", async () => {
    const cwd = templateOf({ "docs/a.md": "" });
    symlinkSync("/etc/passwd", join(cwd, "template/docs/link"));
    expect((await init(cwd)).files).toEqual(["src/lib.rs"]);
    const other = templateOf({});
    symlinkSync("/etc", join(other, "template/src/etc"));
    const error = await refusal(other);
    expect(error).toMatchObject({ kind: "usage", code: "TEMPLATE_UNSAFE" });
    expect(error.message).toContain('"src/etc" is a link');
    const third = templateOf({}, null);
    symlinkSync("/etc/passwd", join(third, "template/wasme-template.json"));
    expect((await refusal(third)).message).toContain("is a link");
  });

  it("has pipes refused, which nobody could read to their end", async () => {
    const cwd = templateOf({});
    execFileSync("mkfifo", [join(cwd, "template/pipe")]);
    expect((await refusal(cwd)).message).toContain('"pipe" is no plain file');
  });

  it("has names refused that are one on other systems, or lead elsewhere there", async () => {
    const cases = await refusal(templateOf({ "a.txt": "", "A.txt": "" }));
    expect(cases.message).toMatch(/is the same name as/u);
    expect((await refusal(templateOf({ [String.raw`..\evil`]: "" }))).message).toMatch(/could lead elsewhere/u);
    expect((await refusal(templateOf({ "evil\u001b[2J": "" }))).message).toMatch(/could lead elsewhere/u);
  });

  it("may not be large", async () => {
    const many = Object.fromEntries(Array.from({ length: 2001 }, (_, at) => [`many/${at}`, ""]));
    expect(await refusal(templateOf(many))).toMatchObject({ code: "TEMPLATE_TOO_LARGE" });
    const cwd = templateOf({ big: "" });
    truncateSync(join(cwd, "template/big"), 4 * 1024 * 1024 + 1);
    const big = await refusal(cwd);
    expect(big.message).toContain('"big" has more than 4194304 bytes');
    const sum = templateOf(Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`part${at}`, ""])));
    for (let at = 0; at < 9; at += 1) truncateSync(join(sum, `template/part${at}`), 4 * 1024 * 1024);
    expect((await refusal(sum)).message).toContain("together");
    const manifest = templateOf({}, { ...MANIFEST, next: "x".repeat(70_000) });
    expect(await refusal(manifest)).toMatchObject({ code: "TEMPLATE_TOO_LARGE" });
  });
});
