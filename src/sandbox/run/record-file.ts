import { dirname, relative, resolve, sep } from "node:path";
import { errnoOf, usageError } from "../../domain/errors.ts";
import { readAtMost } from "../../platform/read-file.ts";
import { writeFileAtomic } from "../../platform/atomic-file.ts";
import type { ModuleSource } from "../module-source.ts";
import type { FilterSettings, TestCase } from "../test/model.ts";
import { MAX_TEST_FILE, parseTestFile } from "../test/parse-test-file.ts";
import type { FilterRequest } from "./load-filter.ts";
import { recordedCase } from "./recorded-case.ts";
import type { RecordedExchange } from "./recorded-exchange.ts";

/** Where and how exchanges are written down. */
export interface RecordOptions {
  /** As typed. */
  readonly file: string;
  readonly cwd: string;
  readonly secrets: boolean;
  readonly source: ModuleSource;
  readonly request: FilterRequest;
}

/** A test file that grows with every exchange. */
export interface RecordFile {
  /** Writes the case at the end. Rejects with `TEST_FILE_INVALID`, or what writing throws; the file is whole then, too. */
  append(exchange: RecordedExchange): Promise<void>;
}

/**
 * Opens a test file to record to: a new one, or one that has tests already, whose text and comments stay. Throws
 * `TEST_FILE_INVALID` (usage) for anything else.
 */
export async function openRecordFile(options: RecordOptions): Promise<RecordFile> {
  const path = resolve(options.cwd, options.file);
  await readTests(path, options.file);
  let last: Promise<void> = Promise.resolve();
  return {
    append: async (exchange) => {
      const mine = last.then(async () => await appendCase(path, options, exchange));
      last = mine.catch(() => undefined);
      await mine;
    },
  };
}

/** Read anew each time: the user may have the file in an editor. */
async function appendCase(path: string, options: RecordOptions, exchange: RecordedExchange): Promise<void> {
  const { text, names } = await readTests(path, options.file);
  const yaml = await import("yaml");
  const document = yaml.parseDocument(text ?? "");
  if (text === undefined) {
    document.contents = document.createNode({ filter: filterOf(path, options), tests: [] }) as typeof document.contents;
  }
  const test: TestCase = recordedCase(exchange, { name: nameOf(exchange, names), secrets: options.secrets });
  document.addIn(["tests"], document.createNode(test));
  const shown = yaml.isMap(document.contents) ? document.get("tests") : undefined;
  if (yaml.isSeq(shown)) shown.flow = false;
  await writeFileAtomic(path, Buffer.from(document.toString({ lineWidth: 0 })), { mode: 0o644 });
}

interface Tests {
  /** `undefined` when there is no file yet. */
  readonly text: string | undefined;
  readonly names: ReadonlySet<string>;
}

async function readTests(path: string, shown: string): Promise<Tests> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(path, MAX_TEST_FILE);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { text: undefined, names: new Set() };
    throw usageError("FILE_UNREADABLE", `--record: cannot read ${shown}`, { cause: error });
  }
  if (bytes === undefined) throw usageError("FILE_TOO_LARGE", `--record: ${shown} is larger than 4 MiB`);
  const text = Buffer.from(bytes).toString("utf8");
  if (text.trim() === "") return { text: undefined, names: new Set() };
  const { file } = await parseTestFile(text, shown);
  return { text, names: new Set(file.tests.map(({ name }) => name)) };
}

function nameOf({ request, response }: RecordedExchange, taken: ReadonlySet<string>): string {
  const value = (name: string): string => request.headers[request.headers.indexOf(name) + 1] ?? "";
  const status = response === undefined ? "reset" : (response.headers[response.headers.indexOf(":status") + 1] ?? "");
  const base = `${value(":method")} ${value(":path")} answers ${status}`;
  for (let at = 2; at < 10_000; at += 1) {
    const name = at === 2 ? base : `${base} (${at - 1})`;
    if (!taken.has(name)) return name;
  }
  return base;
}

/** The filter as the run has it, with paths as seen from the test file. */
function filterOf(path: string, { source, request, cwd }: RecordOptions): FilterSettings {
  const from = dirname(path);
  const seen = (target: string): string => relative(from, target).split(sep).join("/");
  const config = (value: string | undefined): string | undefined =>
    value?.startsWith("@") === true ? `@${seen(resolve(cwd, value.slice(1)))}` : value;
  // A project's own folder is where tests look by themselves.
  const module = source.path === undefined || seen(source.path) === "" ? {} : { module: seen(source.path) };
  return {
    ...(source.kind === "image" ? { image: source.name } : module),
    ...(request.rootId === undefined ? {} : { rootId: request.rootId }),
    ...(request.config === undefined ? {} : { config: config(request.config) ?? "" }),
    ...(request.vmConfig === undefined ? {} : { vmConfig: config(request.vmConfig) ?? "" }),
    ...(request.failurePolicy === "closed" ? {} : { failurePolicy: request.failurePolicy }),
  };
}
