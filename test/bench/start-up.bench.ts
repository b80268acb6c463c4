import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import { aptInstall } from "../components/apt.ts";
import { node24Bin } from "../components/node24.mjs";
import { type Candidate, measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "wasme-bench-"));

beforeAll(async () => await aptInstall(["time"]));
afterAll(() => rmSync(home, { recursive: true, force: true }));

it.each(["this Node", "current Node"])("start-up on %s", async (which) => {
  const node = which === "this Node" ? process.execPath : join(await node24Bin(), "node");
  const candidate = (name: string, ...args: string[]): Candidate => ({
    name,
    command: node,
    args,
    env: { HOME: home },
  });
  const candidates = [
    candidate("node -e 0", "-e", "0"),
    candidate("wasme --help", bin, "--help"),
    candidate("wasme --version", bin, "--version"),
    candidate("wasme list", bin, "list"),
    candidate("wasme push --help", bin, "push", "--help"),
  ];
  report(`start-up, ${which}`, await measure(candidates, 25));
});
