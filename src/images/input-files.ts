import { open } from "node:fs/promises";
import { errnoOf, usageError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { MAX_RUNTIME_CONFIG, parseRuntimeConfig, type RuntimeConfig } from "../domain/runtime-config.ts";
import { readAtMost } from "../platform/read-file.ts";

/**
 * Reads a file the user named, at most `limit` bytes. Throws (usage) `FILE_NOT_FOUND`, `FILE_UNREADABLE` or
 * `FILE_TOO_LARGE`; `what` says what was expected there.
 */
export async function readInputFile(path: string, what: string, limit: number): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(path, limit);
  } catch (error) {
    throw inputError(error, path, what);
  }
  if (bytes !== undefined) return bytes;
  throw usageError("FILE_TOO_LARGE", `${path} is larger than ${limit} bytes`);
}

/** Opens a file the user named, to be read piece by piece. Throws as {@link readInputFile} does, and while it is read. */
export async function openInputFile(
  path: string,
  what: string,
  signal?: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  try {
    const handle = await open(path, "r");
    const found = await handle.stat();
    if (found.isDirectory()) {
      await handle.close();
      throw usageError("FILE_UNREADABLE", `${path} is a folder, not a file`);
    }
    return handle.createReadStream({ highWaterMark: 256 * 1024, ...(signal && { signal }) });
  } catch (error) {
    throw inputError(error, path, what);
  }
}

/** Reads `runtime-config.json`; keys it does not know are told as a warning. Throws `RUNTIME_CONFIG_INVALID` (usage). */
export async function readRuntimeConfigFile(path: string, events: EventSink): Promise<RuntimeConfig> {
  const bytes = await readInputFile(path, "runtime config", MAX_RUNTIME_CONFIG);
  const { config, unknownKeys } = parseRuntimeConfig(Buffer.from(bytes).toString("utf8"), path);
  if (unknownKeys.length > 0) {
    const keys = unknownKeys.map((key) => JSON.stringify(key)).join(", ");
    events({ type: "warning", message: `${path} has keys that mean nothing and are left out: ${keys}` });
  }
  return config;
}

function inputError(error: unknown, path: string, what: string): unknown {
  const code = errnoOf(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return usageError("FILE_NOT_FOUND", `there is no ${what} ${path}`, { hint: "check the path", cause: error });
  }
  if (code === "EACCES" || code === "EPERM") {
    return usageError("FILE_UNREADABLE", `cannot read ${path}: permission denied`, { cause: error });
  }
  if (code === "EISDIR") return usageError("FILE_UNREADABLE", `${path} is a folder, not a ${what}`, { cause: error });
  return error;
}
