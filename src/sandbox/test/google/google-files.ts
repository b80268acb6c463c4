import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errnoOf, messageOf, usageError } from "../../../domain/errors.ts";
import { readAtMost } from "../../../platform/read-file.ts";
import type { ReadFile } from "./google-worker.ts";
import type { GoogleSuite } from "./runner-schema.ts";
import { latin1 } from "./textproto-strings.ts";

/** Reads the files that inputs and matchers of a suite name, relative to the folder of the test file. */
export async function readNamedFiles(suite: GoogleSuite, testFile: string): Promise<Map<string, ReadFile>> {
  const folder = dirname(testFile);
  const files = new Map<string, ReadFile>();
  for (const path of namedFiles(suite)) files.set(path, await readNamed(path, folder));
  return files;
}

async function readNamed(path: string, folder: string): Promise<ReadFile> {
  try {
    const full = resolve(folder, path);
    if (!(await stat(full)).isFile()) throw new Error("it is no regular file");
    const bytes = await readAtMost(full, MOST_NAMED);
    if (bytes === undefined) throw new Error(`it is larger than ${MOST_NAMED / 1024 / 1024} MiB`);
    return { content: latin1(bytes) };
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "there is no such file" : messageOf(error);
    return { problem: `cannot read ${path} (from ${folder}): ${why}` };
  }
}

/** Bytes of the largest file a test may name. */
const MOST_NAMED = 64 * 1024 * 1024;

function namedFiles(suite: GoogleSuite): Set<string> {
  const names = new Set<string>();
  for (const test of suite.test) {
    const phases = [test.requestHeaders, ...test.requestBody, test.responseHeaders, ...test.responseBody];
    const results = [...phases.map((phase) => phase?.result), test.pluginInit, test.streamInit, test.streamDestroy];
    const matchers = results.flatMap((result) => [
      ...(result?.headers ?? []),
      ...(result?.body ?? []),
      ...(result?.log ?? []),
    ]);
    const paths = [...phases.map((phase) => phase?.input?.file), ...matchers.map(({ file }) => file)];
    for (const path of paths) if (path !== undefined && path !== "") names.add(path);
  }
  return names;
}

/** How a path of the `env` block is looked for. */
export interface EnvPath {
  /** The field: `wasm_path`. */
  readonly field: string;
  readonly path: string;
  /** Paths start here, as the tester's do, or else at the folder of the test file. */
  readonly cwd: string;
  readonly testFile: string;
  /** Bytes at most. */
  readonly limit: number;
}

/** Reads a file the `env` block names. Throws `FILE_UNREADABLE` and `FILE_TOO_LARGE` (usage). */
export async function readEnvFile({ field, path, cwd, testFile, limit }: EnvPath): Promise<Uint8Array> {
  const places = [resolve(cwd, path), resolve(dirname(testFile), path)];
  for (const place of places) {
    const found = await stat(place).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    const bytes = await readAtMost(place, limit);
    if (bytes !== undefined) return bytes;
    throw usageError("FILE_TOO_LARGE", `${field}: ${place} has more than the ${limit} bytes allowed`);
  }
  throw usageError("FILE_UNREADABLE", `${testFile}: ${field} is ${path}, and there is no such file`, {
    hint: `looked at ${[...new Set(places)].join(" and ")}`,
  });
}
