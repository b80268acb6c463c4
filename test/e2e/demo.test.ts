import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

/** A first build on a busy machine: npm, then the compiler. */
const BUILD_TIMEOUT = 240_000;
const root = fileURLToPath(new URL("../..", import.meta.url));

describe("npm run demo", () => {
  it(
    "does the main job with Node alone, for someone who has nothing",
    async () => {
      const home = tempDir();
      const { code, stdout, stderr } = await npmRunDemo(home);
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining("Error") });

      const digest = /^Pushed .*\nDigest: (sha256:[0-9a-f]{64})$/mu.exec(stdout)?.[1] ?? "none was pushed";
      const [filter = ""] = /^kind: EnvoyFilter$[\s\S]*/mu.exec(stdout) ?? [];
      expect(filter).toContain(`wasme.io/image-digest: ${digest}\n`);
      expect(filter).toContain("value: greetings");
      expect(stdout).toContain("Done. ");
    },
    BUILD_TIMEOUT,
  );
});

describe("the recording in the README", () => {
  const file = join(root, "docs/demo.svg");
  const svg = readFileSync(file, "utf8");

  it("is of the tour as it is now", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const [, tour = ""] = readme.split("## A 60-second tour");
    const typed = [...tour.matchAll(/^```sh\n([\s\S]*?)^```$/gmu)]
      .flatMap(([, block = ""]) => block.split("\n"))
      .filter((line) => line.startsWith("wasme "));
    expect(typed.length).toBeGreaterThan(8);
    for (const line of typed) expect(shownText(svg)).toContain(line);
    expect(shownText(svg)).toContain("kind: EnvoyFilter");
  });

  it("is one small file that needs nothing else and shows no place of its making", () => {
    expect(statSync(file).size).toBeLessThan(60_000);
    expect(svg).not.toMatch(/<script|<image|<foreignObject|@import|@font-face|url\(|href=/u);
    expect(svg.match(/https?:\/\/[^"<\s]*/gu)).toEqual(["http://www.w3.org/2000/svg"]);
    expect(shownText(svg)).not.toMatch(/\/(?:tmp|home|root|Users)\//u);
    expect([...shownText(svg).matchAll(/localhost:(\d+)/gu)].filter(([, port]) => port !== "5000")).toEqual([]);
  });
});

/** What can be read in the picture; lines that the terminal's width broke are joined. */
function shownText(svg: string): string {
  const rows = [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/gsu)].map(([, row = ""]) => row.replaceAll(/<[^>]*>/gu, ""));
  return rows
    .map((row) => row.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"))
    .map((row) => (row.length === COLUMNS ? row : `${row}\n`))
    .join("");
}

/** Width of the recorded terminal. */
const COLUMNS = 88;

interface DemoResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the demo with an empty home and a PATH that holds node and npm, and the shell npm itself needs. */
async function npmRunDemo(home: string): Promise<DemoResult> {
  const bin = join(home, "bin");
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, "node"));
  symlinkSync(findNpm(), join(bin, "npm"));
  symlinkSync("/bin/sh", join(bin, "sh"));
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(?:npm_config_.*|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy)$/iu.test(name),
  );
  const env = { ...Object.fromEntries(kept), PATH: bin, HOME: home, TMPDIR: home };
  return await new Promise((resolve) => {
    execFile(join(bin, "npm"), ["run", "demo"], { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

/** npm's program, wherever the PATH has it. */
function findNpm(): string {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((dir) => join(dir, "npm"))
    .find((file) => existsSync(file));
  if (found === undefined) throw new Error("no npm on the PATH");
  return realpathSync(found);
}
