import { describe, expect, test, type TestContext } from "vitest";
import { findLanguage, loadCatalogue, type Template } from "../../../src/scaffold/catalogue.ts";
import { envoyPath } from "../../components/envoy.ts";
import { need } from "../../components/require-component.ts";
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
      const module = await build(context, template);
      const { ran, failed } = await runTemplate(template.name, module);
      expect(failed).toEqual({});
      expect(ran).toBeGreaterThan(3);
    });
  });
}
