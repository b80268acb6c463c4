import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, type TestContext } from "vitest";
import { findLanguage, loadCatalogue, type Template } from "../../../src/scaffold/catalogue.ts";
import { installOnce } from "../../components/cache.mjs";
import { envoyPath } from "../../components/envoy.ts";
import { need } from "../../components/require-component.ts";
import { hashFolder } from "../../components/wasm-fixtures.ts";
import { runTemplate } from "./run-template.ts";

/** Builds a template's module as a project of its own; skips the test where a compiler is missing. */
export type BuildTemplate = (context: TestContext, template: Template) => Promise<Uint8Array>;

/** Compiling takes a minute on a machine that is very busy, and for Go twice: once here, once in Envoy. */
const TIMEOUT = 900_000;

/** Tests every template of a language in the real Envoy, by the cases of the template's own test file. */
export async function describeTemplates(language: string, build: BuildTemplate): Promise<void> {
  const { title, templates } = findLanguage(await loadCatalogue(), language);
  describe(`${title} templates in the real Envoy`, () => {
    test.for(templates)("$name does as its tests say", { timeout: TIMEOUT }, async (template, context) => {
      await need(context, "envoy", envoyPath);
      const module = await builtOnce(language, template, () => build(context, template));
      const { ran, failed, onlyFirst } = await runTemplate(template.name, module);
      for (const [name, failures] of Object.entries(onlyFirst)) {
        process.stdout.write(`${language} ${template.name}: ${name}: only at first: ${failures.join("; ")}\n`);
      }
      expect(failed).toEqual({});
      expect(ran).toBeGreaterThan(3);
    });
  });
}

const TOOLCHAIN = fileURLToPath(new URL("../../../src/toolchain/", import.meta.url));

/**
 * The module of a template, built once per machine: its sources decide, and those of the language's runner. That
 * they are built right with today's compilers is what the tests of the builds are about, which leave here what they built.
 */
export async function builtOnce(
  language: string,
  { name, folders }: Template,
  build: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const hash = createHash("sha256").update(`${language}\n`);
  for (const folder of [...folders, join(TOOLCHAIN, language)]) await hashFolder(folder, hash);
  const key = hash.digest("hex").slice(0, 16);
  const folder = await installOnce(`template-${language}-${name}-${key}`, async (draft) => {
    await writeFile(join(draft, "filter.wasm"), await build());
  });
  return await readFile(join(folder, "filter.wasm"));
}
