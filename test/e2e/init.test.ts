import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runRefused } from "../support/refusal.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

describe("wasme init", () => {
  it("prints the tree and what to type next, with the configuration to try", async () => {
    const home = tempDir();
    const args = ["init", "my filter", "--language", "assemblyscript", "--template", "basic-auth"];
    const { code, stdout, stderr } = await runCli(args, { home });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^assembly\/\n {2}proxy-wasm\/ \(\d+ files\)\n/u);
    expect(stdout).toContain(
      [
        "",
        "Next: wasme test './my filter'",
        "      wasme run './my filter' --watch --config '@my filter/config.json'",
        "      wasme build './my filter' -t my-filter:v0.1",
        "",
      ].join("\n"),
    );
  });

  it.each([
    ["assemblyscript", "npm"],
    ["rust", "cargo"],
    ["go", "go"],
    ["tinygo", "tinygo"],
    ["cpp", "npm"],
  ])(
    "warns in %s that %s is missing, and how to get it, and makes the project all the same",
    async (language, tool) => {
      const home = tempDir();
      const { code, stderr } = await runCli(["init", "x", "--language", language], { home, env: { PATH: home } });
      expect(code).toBe(0);
      expect(stderr).toMatch(new RegExp(`^Warning: ${tool} is not in PATH: .*\nHint: .+\n$`, "u"));
      expect(existsSync(join(home, "x/runtime-config.json"))).toBe(true);
    },
  );

  it("says so when the program is there and only PATH does not lead to it", async () => {
    const home = tempDir();
    const bin = join(home, ".cargo/bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, "cargo"), "#!/bin/sh\n", { mode: 0o755 });
    const env = { PATH: home, CARGO_HOME: join(home, ".cargo") };
    const { stderr } = await runCli(["init", "x", "--language", "rust"], { home, env });
    expect(stderr).toContain(`\nHint: export PATH="${bin}:$PATH" (wasme doctor shows what there is)\n`);
  });

  it("takes a template from a git repository, and shows what its author says", async () => {
    const home = tempDir();
    const template = join(home, "repository/auth");
    mkdirSync(template, { recursive: true });
    const manifest = { name: "acme", language: "assemblyscript", next: "Set the key first." };
    writeFileSync(join(template, "wasme-template.json"), JSON.stringify(manifest));
    writeFileSync(join(template, "package.json"), '{"name": "filter"}');
    const git = (...args: readonly string[]): unknown =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
        cwd: join(home, "repository"),
      });
    git("init", "--quiet", "--initial-branch=main");
    git("add", "--all");
    git("commit", "--quiet", "--message=x");
    const url = `file://${join(home, "repository")}//auth#main`;
    const text = await runCli(["init", "one", "--template", url], { home });
    expect(text.code, text.stderr).toBe(0);
    expect(text.stdout).toBe(
      "package.json\n\nSet the key first.\n\nNext: wasme build ./one -t one:v0.1\n      wasme run ./one --watch\n",
    );
    expect(readFileSync(join(home, "one/package.json"), "utf8")).toBe('{"name": "one"}');
    const json = await runCli(["init", "two", "--template", url, "-o", "json"], { home });
    expect(JSON.parse(json.stdout)).toMatchObject({
      kind: "InitResult",
      template: "acme",
      notes: "Set the key first.",
    });
    expect(readdirSync(home).toSorted()).toEqual(["one", "repository", "two"]);
  });

  it.each([
    [
      "https://example.com/x#--upload-pack=id",
      { exit: 2, code: "TEMPLATE_URL_INVALID", says: /no branch/u, hint: /#v1/u },
    ],
    ["ext::sh", { exit: 2, code: "TEMPLATE_URL_INVALID", says: /ext: is not one of/u, hint: /https:/u }],
    ["./nope", { exit: 3, code: "TEMPLATE_NOT_FOUND", says: /no folder \.\/nope/u, hint: /--list/u }],
    [".", { exit: 2, code: "TEMPLATE_INVALID", says: /wasme-template\.json/u, hint: /runtime-config\.json/u }],
    ["baisc-auth", { exit: 2, code: "TEMPLATE_UNKNOWN", says: /"baisc-auth"/u, hint: /did you mean basic-auth\?/u }],
  ])("refuses the template %s", async (template, refusal) => {
    const args = ["init", "x", "--template", template];
    expect(await runRefused(args, { home: tempDir() }, refusal)).toMatchObject({ code: refusal.code });
  });
});
