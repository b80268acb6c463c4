import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadCatalogue } from "../../src/scaffold/catalogue.ts";
import { builtOnce } from "../differential/in-envoy/suite.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { templateProject } from "./build-support.ts";

/** Compiling takes some 10 s on a quiet machine. */
const TIMEOUT = 300_000;

const [assemblyscript] = (await loadCatalogue()).filter(({ name }) => name === "assemblyscript");
const templates = assemblyscript?.templates ?? [];

describe("AssemblyScript templates", () => {
  test("are the five that every language has", () => {
    const names = templates.map(({ name }) => name);
    expect(names).toEqual(["add-header", "basic-auth", "local-rate-limit", "block-redirect", "metrics-log"]);
  });

  test.for(templates)(
    "$name passes its own tests as it comes, and builds",
    { timeout: TIMEOUT },
    async (template, context) => {
      const { name } = template;
      const folder = await templateProject(context, name, name);
      const home = tempDir();
      const tested = await runCli(["test", "-o", "json"], { home, cwd: folder });
      const report = JSON.parse(tested.stdout) as Report;
      const bad = report.cases.filter(({ status, warnings = [] }) => status !== "passed" || warnings.length > 0);
      expect(bad, tested.stderr).toEqual([]);
      expect(report.cases.length).toBeGreaterThan(3);
      expect(tested.code).toBe(0);

      const built = await runCli(["build", ".", "-t", "x/template:v1", "--out", "filter.wasm"], { home, cwd: folder });
      // Those that need a configuration say so, and that is all.
      const warnings = built.stderr.split("\n").filter((line) => line.startsWith("Warning:"));
      expect(warnings.filter((line) => !line.includes("does not accept an empty plugin configuration"))).toEqual([]);
      expect(built.code, built.stderr).toBe(0);
      await builtOnce("assemblyscript", template, () => readFile(join(folder, "filter.wasm")));
    },
  );
});

interface Report {
  readonly cases: readonly { readonly name: string; readonly status: string; readonly warnings?: readonly unknown[] }[];
}
