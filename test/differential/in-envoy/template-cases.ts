import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadCatalogue, TEMPLATES } from "../../../src/scaffold/catalogue.ts";
import type { Exchange, TestCase } from "../../../src/sandbox/test/model.ts";
import { type ParsedTestFile, parseTestFile } from "../../../src/sandbox/test/parse-test-file.ts";
import { planCases } from "../../../src/sandbox/test/plan-cases.ts";
import type { PlannedCase } from "../../../src/sandbox/test/planned-case.ts";
import { nanoseconds } from "../../../src/sandbox/test/values.ts";

/** The cases of a template's test file, the same ones that `wasme test` runs, with the root id all languages have. */
export async function templateCases(template: string): Promise<readonly PlannedCase[]> {
  const path = join(TEMPLATES, "_shared", template, "filter.test.yaml");
  return await plannedCases(template, await parseTestFile(await readFile(path, "utf8"), path));
}

/** The cases of a file that was read, for a template's filter. */
export async function plannedCases(template: string, parsed: ParsedTestFile): Promise<readonly PlannedCase[]> {
  const module = { key: "module", bytes: new Uint8Array(), rootIds: [template.replaceAll("-", "_")], sources: [] };
  const find = (): Promise<typeof module> => Promise.resolve(module);
  return await planCases(parsed, { cwd: "/", find, strict: false, strictBudgets: false });
}

/** Names of the templates of a language, or of all languages together. */
export async function templateNames(language?: string): Promise<readonly string[]> {
  const languages = (await loadCatalogue()).filter(({ name }) => language === undefined || name === language);
  return [...new Set(languages.flatMap(({ templates }) => templates.map(({ name }) => name)))];
}

/** What of a case cannot be done or seen from outside of Envoy, by the place in the test file. */
export function unreachableParts({ test, given }: PlannedCase): readonly string[] {
  const parts = new Set<string>();
  if (test.phases !== undefined) parts.add("phases");
  if (test.workers !== undefined) parts.add("workers");
  // Of a filter that is not there nothing that is given matters.
  if (!isRejected({ test })) for (const part of unreachableGiven({ test, given })) parts.add(part);
  if (advanced(test) > MOST_WAITED) parts.add("advance");
  for (const exchange of exchangesOf(test)) for (const part of unreachableIn(exchange)) parts.add(part);
  return [...parts];
}

function unreachableGiven({ test, given }: Pick<PlannedCase, "test" | "given">): readonly string[] {
  const { properties = {}, ...others } = given;
  const addresses = test.connection === undefined ? ["source.address"] : ["source.address", "destination.address"];
  const more = Object.keys(properties).some((name) => !addresses.includes(name));
  return [...Object.keys(others).map((key) => `given.${key}`), ...(more ? ["given.properties"] : [])];
}

/** Whether the filter must not take its configuration. */
export function isRejected({ test }: Pick<PlannedCase, "test">): boolean {
  return test.expect?.configure === "rejected";
}

/** Nanoseconds that a test really waits for. */
const MOST_WAITED = 3_000_000_000n;

function advanced({ steps = [] }: TestCase): bigint {
  return steps.reduce((sum, { advance }) => sum + nanoseconds(advance), 0n);
}

/** The case itself, its steps and its streams. */
export function exchangesOf(test: TestCase): readonly Exchange[] {
  return [test, ...(test.steps ?? []), ...(test.streams ?? [])];
}

function unreachableIn({ expect = {}, upstream, ...rest }: Exchange): readonly string[] {
  const seen = ["response", "upstream", "log", "metrics", "configure", "filterState"];
  const parts = Object.keys(expect).flatMap((key) => (seen.includes(key) ? [] : [`expect.${key}`]));
  if (expect.response?.details !== undefined) parts.push("expect.response.details");
  if (upstream?.fail !== undefined && !["reset", "refused"].includes(upstream.fail)) parts.push("upstream.fail");
  for (const key of ["tick", "enqueue", "share", "foreign"]) if (key in rest) parts.push(key);
  return parts;
}
