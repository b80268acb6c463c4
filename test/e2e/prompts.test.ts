import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startHub } from "../support/hub.ts";
import { Keys, startOnPty } from "../support/pty.ts";
import { runRefused } from "../support/refusal.ts";
import { screenOf } from "../support/screen.ts";
import { tempDir } from "../support/temp-dir.ts";

describe("init on a terminal", () => {
  it("asks for the language and then for the template, with arrow keys", async (context) => {
    const home = tempDir();
    const pty = startOnPty(context, ["init", "hello"], { home });
    await pty.seen(/Language of the filter/u);
    pty.type(Keys.down);
    pty.type(Keys.up);
    pty.type(Keys.enter);
    await pty.seen(/Template/u);
    pty.type(Keys.down);
    pty.type(Keys.enter);
    expect(await pty.ended).toBe(0);
    expect(existsSync(join(home, "hello/asconfig.json"))).toBe(true);
    expect(readFileSync(join(home, "hello/runtime-config.json"), "utf8")).toContain("basic_auth");
    const screen = screenOf(pty.raw()).join("\n");
    expect(screen).toMatch(/Language of the filter.*AssemblyScript/u);
    expect(screen).toMatch(/Template.*basic-auth/u);
    expect(screen).toMatch(/Next: wasme test \.\/hello/u);
  });

  it("asks for what is missing only", async (context) => {
    const home = tempDir();
    const language = startOnPty(context, ["init", "one", "--template", "add-header"], { home });
    await language.seen(/Language of the filter/u);
    language.type(Keys.enter);
    expect(await language.ended).toBe(0);
    const template = startOnPty(context, ["init", "two", "--language", "assemblyscript"], { home });
    await template.seen(/Template/u);
    template.type(Keys.enter);
    expect(await template.ended).toBe(0);
    const none = startOnPty(context, ["init", "three", "--language", "assemblyscript", "--template", "add-header"], {
      home,
    });
    expect(await none.ended).toBe(0);
    expect(none.plain()).not.toContain("?");
  });

  it("is interrupted by Ctrl-C, leaves nothing behind and the cursor visible", async (context) => {
    const home = tempDir();
    const pty = startOnPty(context, ["init", "hello"], { home });
    await pty.seen(/Language of the filter/u);
    pty.type(Keys.interrupt);
    expect(await pty.ended).toBe(130);
    expect(existsSync(join(home, "hello"))).toBe(false);
    const screen = screenOf(pty.raw()).join("\n");
    expect(screen).not.toMatch(/bug|at .*:\d+:\d+/u);
    expect(pty.raw().lastIndexOf("\u001b[?25h")).toBeGreaterThan(pty.raw().lastIndexOf("\u001b[?25l"));
  });

  it.for([["--no-input"], ["--disable-prompt"]])("%s does not ask", async ([flag = ""], context) => {
    const home = tempDir();
    const pty = startOnPty(context, ["init", "hello", flag], { home });
    expect(await pty.ended).toBe(2);
    expect(pty.plain()).toMatch(
      /^Error: cannot ask "Language of the filter".*\nHint: pass --language assemblyscript[|a-z]*\n$/u,
    );
  });

  it("does not ask in CI", async (context) => {
    const pty = startOnPty(context, ["init", "hello"], { home: tempDir(), env: { CI: "1" } });
    expect(await pty.ended).toBe(2);
  });
});

describe("login on a terminal", () => {
  it("asks for user name and password, and does not show the password", async (context) => {
    const home = tempDir();
    const hub = await startHub();
    try {
      const pty = startOnPty(context, ["login", hub.host], { home });
      await pty.seen(/User name for/u);
      pty.type(`bob${Keys.enter}`);
      await pty.seen(/Password or token/u);
      pty.type("pa55word");
      await pty.seen(/\*{8}/u);
      pty.type(Keys.enter);
      expect(await pty.ended).toBe(0);
      expect(pty.raw()).not.toContain("pa55word");
      const { auths } = JSON.parse(readFileSync(join(home, ".docker/config.json"), "utf8")) as Auths;
      expect(Buffer.from(auths[hub.host]?.auth ?? "", "base64").toString()).toBe("bob:pa55word");
    } finally {
      await hub.close();
    }
  });

  it("is interrupted at the password", async (context) => {
    const home = tempDir();
    const pty = startOnPty(context, ["login", "localhost:1", "-u", "bob"], { home });
    await pty.seen(/Password or token/u);
    pty.type(Keys.interrupt);
    expect(await pty.ended).toBe(130);
    expect(existsSync(join(home, ".docker"))).toBe(false);
  });
});

interface Auths {
  readonly auths: Readonly<Record<string, { readonly auth: string }>>;
}

describe("without a terminal the refusal names the flag", () => {
  it.each([
    ["init hello", /cannot ask "Language of the filter"/u, /--language assemblyscript/u],
    ["login localhost:1", /cannot ask "User name for localhost:1"/u, /--username/u],
    ["login localhost:1 -u bob", /cannot ask "Password or token"/u, /--password-stdin/u],
  ])("wasme %s", async (line, says, hint) => {
    const refusal = { exit: 2, code: "INPUT_NEEDED", says, hint };
    expect(await runRefused(line.split(" "), { home: tempDir() }, refusal)).toMatchObject({ code: "INPUT_NEEDED" });
  });
});
