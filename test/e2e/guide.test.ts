import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A first build on a busy machine: npm, then the compiler. */
const TIMEOUT = 240_000;
const guide = readFileSync(join(import.meta.dirname, "../../docs/guide/testing.md"), "utf8");

/** The fenced blocks of a section, each with its language. */
function blocks(title: string): { readonly language: string; readonly text: string }[] {
  const start = guide.indexOf(`\n## ${title}\n`);
  expect(start).toBeGreaterThan(0);
  const section = guide.slice(start, guide.indexOf("\n## ", start + 1));
  return [...section.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gmu)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

function block(title: string, language: string): string {
  return blocks(title).find((one) => one.language === language)?.text ?? "";
}

test(
  "the guide to testing can be followed word for word, and shows what comes",
  async () => {
    const home = join(tempDir(), "home");
    const work = tempDir();
    mkdirSync(home);
    const hello = join(work, "hello");
    const wasme = async (
      line: string,
      cwd: string,
    ): Promise<{ readonly code: number | null; readonly stdout: string }> => {
      const { code, stdout } = await runCli(line.split(" ").slice(1), { home, cwd });
      return { code, stdout: timeless(stdout) };
    };
    const [init = "", cd = "", run = ""] = block("1. A project", "sh").trim().split("\n");
    expect([(await wasme(init, work)).code, cd]).toEqual([0, "cd hello"]);
    expect(await wasme(run, hello)).toEqual({ code: 0, stdout: timeless(block("1. A project", "")) });
    const tests = readFileSync(join(hello, "filter.test.yaml"), "utf8");
    expect(tests).toContain(block("1. A project", "yaml"));

    appendFileSync(join(hello, "filter.test.yaml"), `\n${block("2. A test that fails", "yaml")}`);
    expect(await wasme("wasme test", hello)).toEqual({ code: 1, stdout: timeless(block("2. A test that fails", "")) });

    const source = join(hello, "assembly/index.ts");
    const [head = "", rest = ""] = readFileSync(source, "utf8").split("extends StreamContext {\n");
    writeFileSync(source, `${head}extends StreamContext {\n${block("3. Make it pass", "ts")}\n${rest}`);
    expect((await wasme("wasme test", hello)).stdout).toContain("Tests 5 passed");

    expect((await wasme(block("5. In CI", "sh").trim(), hello)).code).toBe(0);
    expect(readFileSync(join(hello, "junit.xml"), "utf8")).toContain('tests="5" failures="0"');
  },
  TIMEOUT,
);

function timeless(text: string): string {
  return text.replaceAll(/\d+ ms/gu, "N ms");
}
