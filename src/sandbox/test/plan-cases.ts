import { dirname, resolve } from "node:path";
import type { ConfigSchema } from "../../domain/config-schema.ts";
import { usageError } from "../../domain/errors.ts";
import type { ProfileName } from "../../host/profile.ts";
import { mergeGiven } from "./merge-given.ts";
import type { FilterSettings, Settings, TestCase, TestFile } from "./model.ts";
import type { ParsedTestFile } from "./parse-test-file.ts";
import type { PlannedCase, PlannedFilter } from "./planned-case.ts";

/** A module as it was found. */
export interface TestModule {
  /** Equal for the same module. */
  readonly key: string;
  readonly bytes: Uint8Array;
  /** By the runtime config beside it. */
  readonly rootIds: readonly string[];
  /** Of its plugin configuration, where it has one. */
  readonly schema?: ConfigSchema | undefined;
  /** Files and folders it is made of, absolute. */
  readonly sources: readonly string[];
}

/** Finds a module by what a test file says of it: a path (absolute), a reference, or nothing. */
export type FindModule = (wanted: WantedModule) => Promise<TestModule>;

/** What is known of a module that is wanted; `folder` is the one to build when nothing else is said. */
export interface WantedModule {
  readonly path?: string;
  readonly image?: string;
  readonly folder: string;
}

/** How cases are made of a file. */
export interface PlanOptions {
  readonly cwd: string;
  readonly find: FindModule;
  /** In the place of the first filter's module. */
  readonly module?: WantedModule | undefined;
  readonly profile?: ProfileName | undefined;
  readonly strict: boolean;
  readonly strictBudgets: boolean;
}

/** Cases of one file: combinations of its matrix times tests. */
const MOST_CASES = 100_000;

/** Makes the cases of a file, each with its filters and modules, for every combination of the matrix. Throws `TEST_FILE_INVALID`. */
export async function planCases(parsed: ParsedTestFile, options: PlanOptions): Promise<readonly PlannedCase[]> {
  const { file } = parsed;
  const { modules = [undefined], configs = [undefined], profiles = [undefined] } = file.matrix ?? {};
  const count = modules.length * configs.length * profiles.length * file.tests.length;
  if (count > MOST_CASES) {
    throw usageError(
      "TEST_FILE_INVALID",
      `${parsed.path}: its matrix makes ${count} cases, and a file has at most ${MOST_CASES}`,
      {
        hint: "make the matrix smaller, or use several files",
      },
    );
  }
  const cases: PlannedCase[] = [];
  for (const combination of combinations(file)) {
    for (const [index, test] of file.tests.entries()) {
      cases.push(await planCase(parsed, index, test, { ...options, combination }));
    }
  }
  return cases;
}

interface Combination {
  readonly label: string;
  readonly module: string | undefined;
  readonly config: { readonly value: Settings } | undefined;
  readonly profile: ProfileName | undefined;
}

function combinations({ matrix = {} }: TestFile): readonly Combination[] {
  const modules = matrix.modules ?? [undefined];
  const configs = matrix.configs?.map((value, place) => ({ value, name: `config ${place + 1}` })) ?? [undefined];
  const profiles = matrix.profiles ?? [undefined];
  return modules.flatMap((module) =>
    configs.flatMap((config) =>
      profiles.map((profile) => {
        const parts = [module, config?.name, profile].filter((part) => part !== undefined);
        return { label: parts.length === 0 ? "" : ` [${parts.join(", ")}]`, module, config, profile };
      }),
    ),
  );
}

async function planCase(
  parsed: ParsedTestFile,
  index: number,
  test: TestCase,
  options: PlanOptions & { readonly combination: Combination },
): Promise<PlannedCase> {
  const { file, path } = parsed;
  const { combination, cwd } = options;
  const folder = dirname(resolve(cwd, path));
  const filters: PlannedFilter[] = [];
  for (const [place, settings] of settingsOf(file, test, combination).entries()) {
    const override = place === 0 ? options.module : undefined;
    const module = await options.find(override ?? (await wantedModule(settings, folder)));
    const { key, rootIds, schema } = module;
    filters.push({ settings, module: key, rootId: rootIds[0] ?? "", schema });
  }
  return {
    file: path,
    folder,
    line: parsed.lineOf(["tests", index]),
    name: `${test.name}${combination.label}`,
    index,
    test,
    filters,
    profile: options.profile ?? test.profile ?? combination.profile ?? file.profile ?? "envoy",
    strict: options.strict || (test.strict ?? file.strict ?? false),
    strictBudgets: options.strictBudgets,
    given: mergeGiven(file.given, test.given),
  };
}

function settingsOf(file: TestFile, test: TestCase, { module, config }: Combination): readonly FilterSettings[] {
  if (test.plugins !== undefined) return test.plugins;
  const [first = {}, ...others] = file.plugins ?? [file.filter ?? {}];
  const byMatrix = {
    ...(config === undefined ? {} : { config: config.value }),
    ...(module === undefined ? {} : { module }),
  };
  const byTest = {
    ...test.filter,
    ...(test.config === undefined ? {} : { config: test.config }),
    ...(test.rootId === undefined ? {} : { rootId: test.rootId }),
  };
  return [overlay(overlay(first, byMatrix), byTest), ...others];
}

/** One's settings over the other's; a module takes the place of an image, and an image that of a module. */
function overlay(base: FilterSettings, own: FilterSettings): FilterSettings {
  const { module, image, ...rest } = base;
  const named = own.module !== undefined || own.image !== undefined;
  const source = { ...(module === undefined ? {} : { module }), ...(image === undefined ? {} : { image }) };
  return { ...rest, ...(named ? {} : source), ...own };
}

/** What to look for by a filter's settings; paths start at the folder. */
export async function wantedModule({ module, image }: FilterSettings, folder: string): Promise<WantedModule> {
  if (module !== undefined) return { path: resolve(folder, module), folder };
  if (image === undefined) return { folder };
  const { formatReference, parseImageReference } = await import("../../domain/image-reference.ts");
  return { image: formatReference(parseImageReference(image)), folder };
}
