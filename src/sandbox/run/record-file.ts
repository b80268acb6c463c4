import { stat } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { errnoOf, usageError, WasmeError } from "../../domain/errors.ts";
import { readAtMost } from "../../platform/read-file.ts";
import { writeFileAtomic } from "../../platform/atomic-file.ts";
import type { ModuleSource } from "../module-source.ts";
import type { FilterSettings, TestCase } from "../test/model.ts";
import { MAX_TEST_FILE, MAX_TESTS, parseTestFile } from "../test/parse-test-file.ts";
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
  /**
   * Writes the case at the end. Rejects with `TEST_FILE_INVALID`, with `FILE_TOO_LARGE` when nobody could read the file
   * any more, with `RECORDING_BEHIND` when too many wait to be written, or what writing throws; the file is whole then,
   * too. A new file is its owner's only (mode 0600): bodies and paths may hold what others should not see.
   */
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
  let waiting = 0;
  return {
    append: async (exchange) => {
      if (waiting >= MOST_WAITING) throw behind();
      waiting += 1;
      const mine = last.then(async () => await appendCase(path, options, exchange));
      last = mine.catch(() => undefined);
      await mine.finally(() => (waiting -= 1));
    },
  };
}

/** Exchanges that wait to be written: each may hold some mebibytes. */
const MOST_WAITING = 64;

function behind(): WasmeError {
  return new WasmeError("failed", "RECORDING_BEHIND", "more exchanges come than can be written", {
    hint: "record a few requests, not a load test",
  });
}

/** Read anew each time: the user may have the file in an editor. */
async function appendCase(path: string, options: RecordOptions, exchange: RecordedExchange): Promise<void> {
  const { text, names, count, mode } = await readTests(path, options.file);
  const yaml = await import("yaml");
  const document = yaml.parseDocument(text ?? "");
  if (text === undefined) {
    document.contents = document.createNode({ filter: filterOf(path, options), tests: [] }) as typeof document.contents;
  }
  const test: TestCase = recordedCase(exchange, { name: nameOf(exchange, names), secrets: options.secrets });
  document.addIn(["tests"], document.createNode(test));
  const shown = yaml.isMap(document.contents) ? document.get("tests") : undefined;
  if (yaml.isSeq(shown)) shown.flow = false;
  const bytes = Buffer.from(document.toString({ lineWidth: 0 }));
  if (bytes.length > MAX_TEST_FILE || count >= MAX_TESTS) {
    throw usageError(
      "FILE_TOO_LARGE",
      `${options.file} is full: a test file has at most 4 MiB and ${MAX_TESTS} tests`,
      {
        hint: "record to another file",
      },
    );
  }
  await writeFileAtomic(path, bytes, { mode });
}

interface Tests {
  /** `undefined` when there is no file yet. */
  readonly text: string | undefined;
  readonly names: ReadonlySet<string>;
  /** Tests it has. */
  readonly count: number;
  /** Who may read it. */
  readonly mode: number;
}

async function readTests(path: string, shown: string): Promise<Tests> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(path, MAX_TEST_FILE);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { ...NO_TESTS, mode: 0o600 };
    throw usageError("FILE_UNREADABLE", `--record: cannot read ${shown}`, { cause: error });
  }
  if (bytes === undefined) throw usageError("FILE_TOO_LARGE", `--record: ${shown} is larger than 4 MiB`);
  const text = Buffer.from(bytes).toString("utf8");
  const mode = (await stat(path)).mode & 0o777;
  if (text.trim() === "") return { ...NO_TESTS, mode };
  const { file } = await parseTestFile(text, shown);
  return { text, names: new Set(file.tests.map(({ name }) => name)), count: file.tests.length, mode };
}

const NO_TESTS = { text: undefined, names: new Set<string>(), count: 0 } as const;

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
