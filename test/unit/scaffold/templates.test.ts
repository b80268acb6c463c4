import { readFileSync } from "node:fs";
import { Ajv2020, type AnySchema } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseRuntimeConfig } from "../../../src/domain/runtime-config.ts";
import { loadCatalogue } from "../../../src/scaffold/catalogue.ts";
import { type RenderedFile, renderTemplate } from "../../../src/scaffold/render.ts";

const catalogue = await loadCatalogue();
const entries = catalogue.flatMap((language) =>
  language.templates.map((template) => ({ language: language.name, template })),
);
const testFileSchema = JSON.parse(
  readFileSync(new URL("../../../docs/reference/test-file.schema.json", import.meta.url), "utf8"),
) as AnySchema;
const isTestFile = new Ajv2020({ strict: false, formats: { regex: true } }).compile(testFileSchema);

/** Names every template has, in the order in which `init` offers them; the first is the default. */
const STARTER = "add-header";

describe("the catalogue", () => {
  it("has languages and templates, each once, the starter first", () => {
    const names = entries.map(({ language, template }) => `${language}/${template.name}`);
    expect(names.length).toBeGreaterThan(4);
    expect(new Set(names).size).toBe(names.length);
    for (const language of catalogue) expect(language.templates[0].name, language.name).toBe(STARTER);
  });

  it("says the same of a template in every language", () => {
    const summaries = new Map<string, string>();
    for (const { template } of entries) {
      expect(template.summary, template.name).toBe(summaries.get(template.name) ?? template.summary);
      summaries.set(template.name, template.summary);
    }
  });
});

describe.each(entries.map((entry) => [`${entry.language}/${entry.template.name}`, entry] as const))(
  "%s",
  (_, { template }) => {
    const rendered = renderTemplate(template.folders, { name: "my-filter", platform: undefined });

    it("has what every project has", async () => {
      const files = await rendered;
      const paths = files.map(({ path }) => path);
      expect(paths).toEqual(
        expect.arrayContaining([
          ".gitignore",
          "README.md",
          "config.schema.json",
          "filter.test.yaml",
          "runtime-config.json",
        ]),
      );
      expect(textOf(files, "README.md")).toMatch(/^# \S/u);
      expect(textOf(files, "README.md")).toContain("wasme test");
    });

    it("has a runtime config whose root id is the template's name", async () => {
      const { config, unknownKeys } = parseRuntimeConfig(textOf(await rendered, "runtime-config.json"), "it");
      expect(unknownKeys).toEqual([]);
      expect(config.config?.rootIds).toEqual([template.name.replaceAll("-", "_")]);
    });

    it("has tests by the published schema, for that root id", async () => {
      const tests = testsOf(await rendered);
      expect(isTestFile(tests), JSON.stringify(isTestFile.errors)).toBe(true);
      expect(tests.filter?.rootId ?? template.name.replaceAll("-", "_")).toBe(template.name.replaceAll("-", "_"));
    });

    it("has a configuration schema that its examples fit", async () => {
      const files = await rendered;
      const examples = schemaOf(files).examples ?? [];
      const tried = files.filter(({ path }) => path === "config.json").map(({ path }) => jsonOf(textOf(files, path)));
      expect(examples.length).toBeGreaterThan(0);
      for (const example of [...examples, ...tried]) expect(misfit(files, example)).toBe("");
    });

    it("has a configuration schema that every configuration fits which a test wants to be taken", async () => {
      const files = await rendered;
      const { filter, tests } = testsOf(files);
      const taken = tests.filter((test) => test.expect?.configure !== "rejected");
      const configs = taken.map(({ config = filter?.config }) => config ?? "").filter((config) => config !== "");
      expect(configs.length).toBeGreaterThan(0);
      for (const config of configs) expect(misfit(files, config)).toBe("");
    });

    it("has nothing of the machine and the registry it was made with, and no leftovers", async () => {
      for (const { path, bytes } of await rendered) {
        expect(path).not.toMatch(
          /(?:^|\/)(?:_gitignore|\.DS_Store|node_modules|target|build)(?:\/|$)|\.(?:orig|rej|swp|wasm)$/u,
        );
        expect(Buffer.from(bytes).toString("latin1"), path).not.toMatch(
          /"resolved": "https?:\/\/(?!registry\.npmjs\.org\/)|replace-with\s*=|\/(?:home|Users|root|work|tmp)\/[a-z]|file:\/\//u,
        );
      }
    });

    it("carries the project's name, and no other one", async () => {
      const files = await rendered;
      const named: Readonly<Record<string, RegExp>> = {
        "package.json": /"name": "my-filter"/u,
        "Cargo.toml": /^name = "my-filter"$/mu,
        "Cargo.lock": /^name = "my-filter"$/mu,
        "go.mod": /^module example\.com\/my-filter$/mu,
      };
      const there = Object.entries(named).filter(([path]) => files.some((file) => file.path === path));
      expect(there.length).toBeGreaterThan(0);
      for (const [path, pattern] of there) expect(textOf(files, path), path).toMatch(pattern);
    });
  },
);

type Schema = AnySchema & { readonly examples?: readonly unknown[] };

function schemaOf(files: readonly RenderedFile[]): Schema {
  return JSON.parse(textOf(files, "config.schema.json")) as Schema;
}

/** Why a configuration does not fit the template's schema, as text or read as JSON; empty when it does. */
function misfit(files: readonly RenderedFile[], config: unknown): string {
  const isConfig = new Ajv2020({ strict: true, strictRequired: false }).compile(schemaOf(files));
  if (isConfig(config) || (typeof config === "string" && isConfig(jsonOf(config)))) return "";
  return `${JSON.stringify(config)}: ${JSON.stringify(isConfig.errors)}`;
}

interface TestFile {
  readonly filter?: { readonly rootId?: string; readonly config?: unknown };
  readonly tests: readonly {
    readonly name: string;
    readonly config?: unknown;
    readonly expect?: { readonly configure?: string };
  }[];
}

function testsOf(files: readonly RenderedFile[]): TestFile {
  return parse(textOf(files, "filter.test.yaml")) as TestFile;
}

function textOf(files: readonly RenderedFile[], path: string): string {
  const file = files.find((item) => item.path === path);
  if (file === undefined) throw new Error(`no ${path}`);
  return Buffer.from(file.bytes).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
