import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadCatalogue } from "../../src/scaffold/catalogue.ts";
import { buildCpp, cppProject } from "../components/cpp.ts";
import { need } from "../components/require-component.ts";
import { builtOnce } from "../differential/in-envoy/suite.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { emptyFolder } from "./build-support.ts";

/** Compiling takes some 5 s on a quiet machine. */
const TIMEOUT = 300_000;

const [cpp] = (await loadCatalogue()).filter(({ name }) => name === "cpp");
const templates = cpp?.templates ?? [];

describe("C++ templates, built by npm clang", () => {
  test("are the five that every language has", () => {
    const names = templates.map(({ name }) => name);
    expect(names).toEqual(["add-header", "basic-auth", "local-rate-limit", "block-redirect", "metrics-log"]);
  });

  test.for(templates)(
    "$name passes its own tests, without warnings",
    { timeout: TIMEOUT },
    async (template, context) => {
      const source = join(await emptyFolder(), template.name);
      await mkdir(source);

      await need(context, "clang", () => cppProject(template.folders, source));
      const outDir = await emptyFolder();
      await writeFile(join(source, "compile_flags.txt"), "-std=c++17\n-Wall\n-Wextra\n-Werror\n");
      const { modulePath } = await buildCpp(source, outDir);
      const args = ["test", join(source, "filter.test.yaml"), "--module", modulePath, "-o", "json"];
      const { stdout, stderr } = await runCli(args, { home: tempDir() });
      const report = JSON.parse(stdout) as Report;
      const bad = report.cases.filter(({ status, warnings }) => status !== "passed" || warnings.length > 0);
      expect(bad, stderr).toEqual([]);
      expect(report.cases.length).toBeGreaterThan(3);
      await builtOnce("cpp", template, () => readFile(modulePath));
    },
  );
});

interface Report {
  readonly cases: readonly { readonly status: string; readonly warnings: readonly unknown[] }[];
}
