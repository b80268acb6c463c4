import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { findCommand } from "../../src/cli/command-index.ts";
import { parseCommandLine } from "../../src/cli/program.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A first build on a busy machine: npm, then the compiler. */
const BUILD_TIMEOUT = 240_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
const wasme = join(root, "bin/wasme.js");
const readme = readFileSync(join(root, "README.md"), "utf8");
const tour = sectionOf(readme, "A 60-second tour");
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

describe("the README", () => {
  it(
    "has a tour that works as it stands, and shows what it prints",
    async () => {
      const work = tempDir();
      const home = join(work, "home");
      const bin = join(work, "bin");
      const folder = join(work, "tour");
      for (const dir of [home, bin, folder]) mkdirSync(dir);
      symlinkSync(wasme, join(bin, "wasme"));
      const registryCommand = blocks(tour, "text").find((text) => text.startsWith("wasme registry "));
      const registry = await startRegistry(registryCommand?.trim() ?? "", work);
      const here = (text: string): string => text.replaceAll("localhost:5000", registry);

      const script = blocks(tour, "sh").join("\n");
      expect(script.match(/^wasme /gmu)?.length).toBeGreaterThan(8);
      const { code, stdout, stderr } = await bash(here(script), folder, {
        PATH: `${bin}${delimiter}${process.env["PATH"]}`,
        HOME: home,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining("Error") });

      const shown = blocks(tour, "console");
      expect(shown).toHaveLength(2);
      for (const output of shown) expect(stdout).toContain(here(output));
      expect(stdout).toMatch(/^Pushed localhost:\d+\/demo\/hello:v1$/mu);
      expect(readFileSync(join(folder, "envoy.yaml"), "utf8")).toContain("value: greetings");
    },
    BUILD_TIMEOUT,
  );

  it("names Node's floor and the scripts as package.json has them", () => {
    const { engines, scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      engines: { node: string };
      scripts: Record<string, string>;
    };
    expect(readme).toContain(`Node ${engines.node.replace(">=", "")} or newer`);
    const named = [...readme.matchAll(/npm (?:run )?(test|demo|build)\b/gu)].map(([, name = ""]) => name);
    expect(new Set(named)).toEqual(new Set(["demo", "test", "build"]));
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe("pages", () => {
  it.each(pages)("%s links to files and headings that are there", (page) => {
    const text = readFileSync(join(root, page), "utf8").replaceAll(/^```[\s\S]*?^```$/gmu, "");
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/gu)].map(([, target = ""]) => target);
    const broken = targets.filter((target) => !/^[a-z]+:/u.test(target) && !leadsSomewhere(page, target));
    expect(broken).toEqual([]);
  });

  const lines = pages.flatMap((page) =>
    commandLines(readFileSync(join(root, page), "utf8")).map((line) => [page, line]),
  );

  it("hold command lines", () => {
    expect(lines.length).toBeGreaterThan(40);
  });

  it.each(lines)("%s: %s", async (_, line = "") => {
    const words = wordsOf(line);
    const found = findCommand(words);
    const invocation = parseCommandLine(words, await found?.entry.load());
    expect(invocation.type).toBe("run");
  });
});

/** The text of a second-level section. */
function sectionOf(text: string, title: string): string {
  const start = text.indexOf(`\n## ${title}\n`);
  const end = text.indexOf("\n## ", start + 1);
  if (start === -1 || end === -1) throw new Error(`the README has no section ${title} with another one after it`);
  return text.slice(start, end);
}

/** The contents of the fenced blocks of a language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gmu)]
    .filter(([, found]) => found === language)
    .map(([, , content = ""]) => content);
}

/** What a reader could type: lines of blocks that start with wasme, pipes and comments cut into their parts. */
function commandLines(text: string): string[] {
  return [...blocks(text, "sh"), ...blocks(text, "text")]
    .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
    .flatMap((line) => line.replace(/\s#.*$/u, "").split(/\s(?:\||&&)\s|<\(|\)\s*$/u))
    .map((part) => part.replace(/\s(?:>|\d>).*$/u, "").trim())
    .filter((part) => /^wasme\s/u.test(part) && !part.includes("…"));
}

/** Words as a shell would split them; the pages use plain quotes only. */
function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/gu)].map(([word]) => word.replaceAll(/['"]/gu, ""));
  return words.slice(1);
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = "", heading] = target.split("#");
  const file = path === "" ? join(root, page) : join(root, dirname(page), path);
  if (!existsSync(file)) return false;
  if (heading === undefined) return true;
  const titles = [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gmu)].map(([, title = ""]) => title);
  return titles.some((title) => slug(title) === heading);
}

/** The anchor that a heading gets. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Runs the tour's registry on a free port; gives its name. Without a terminal its log is JSON, one line a request. */
async function startRegistry(command: string, cwd: string): Promise<string> {
  const [program, ...args] = command.split(" ");
  expect(program).toBe("wasme");
  const child: ChildProcess = spawn(process.execPath, [wasme, ...args, "--listen", "127.0.0.1:0"], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill());
  return await new Promise((resolve, reject) => {
    let output = "";
    child.on("error", reject).on("exit", (code) => reject(new Error(`the registry ended with ${code}: ${output}`)));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [, name] = /^\{.*"name":"(localhost:\d+)".*\}$/mu.exec(output) ?? [];
      if (name !== undefined) resolve(name);
    });
  });
}

interface ShellResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script with `bash -e`, in a clean environment but for what package downloads need. */
async function bash(script: string, cwd: string, env: Readonly<Record<string, string>>): Promise<ShellResult> {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(?:npm_config_|NODE_EXTRA_CA_CERTS$|.*_proxy$)/iu.test(name),
  );
  return await new Promise((resolve) => {
    execFile(
      "bash",
      ["-e", "-o", "pipefail", "-c", script],
      { cwd, env: { ...Object.fromEntries(kept), ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}
