import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoOf, messageOf, usageError } from "../../domain/errors.ts";
import { utf8ByteString } from "../../host/byte-string.ts";
import { lowerAscii } from "../../host/header-map.ts";
import type { ReadBytes } from "./matchers.ts";
import type { Body, Chunk, Content, Duration, HeaderValues } from "./model-values.ts";
import type { Settings } from "./model.ts";
import { durationNanoseconds } from "./scalar-shapes.ts";

/** Nanoseconds. */
export function nanoseconds(duration: Duration | undefined): bigint {
  return duration === undefined ? 0n : BigInt(Math.round(durationNanoseconds(duration)));
}

/** Nanoseconds as a person reads them: `120ms`, `1.5s`. */
export function formatNanoseconds(time: bigint): string {
  const ms = Number(time) / 1e6;
  return ms < 1000 ? `${ms}ms` : `${ms / 1000}s`;
}

/**
 * Reads files a test file names, each once; paths start at its folder and may lead out of it. Throws `FILE_UNREADABLE`
 * (usage), also for what is no regular file: one that never ends, or never begins, would hold the thread for ever.
 */
export function fileReader(folder: string): ReadBytes {
  const known = new Map<string, string>();
  return (path) => {
    const found = known.get(path);
    if (found !== undefined) return found;
    try {
      const full = resolve(folder, path);
      const file = statSync(full);
      if (!file.isFile()) throw new Error("it is no regular file");
      if (file.size > MOST_NAMED) throw new Error(`it is larger than ${MOST_NAMED / 1024 / 1024} MiB`);
      const text = readFileSync(full).toString("latin1");
      known.set(path, text);
      return text;
    } catch (error) {
      const why = errnoOf(error) === "ENOENT" ? "it does not exist" : messageOf(error);
      throw usageError("FILE_UNREADABLE", `cannot read ${path}: ${why}`, {
        hint: "paths start at the folder of the test file",
        cause: error,
      });
    }
  };
}

/** Bytes of the largest file a test may name. */
const MOST_NAMED = 64 * 1024 * 1024;

/** The bytes that content means. */
export function contentBytes(content: Content, readBytes: ReadBytes): Uint8Array {
  if (typeof content !== "object") return new TextEncoder().encode(String(content));
  if ("base64" in content) return new Uint8Array(Buffer.from(content.base64, "base64"));
  if ("json" in content) return new TextEncoder().encode(JSON.stringify(content.json));
  return new Uint8Array(Buffer.from(readBytes(content.file), "latin1"));
}

/** A body's pieces, and the time before each. */
export function bodyPieces(
  body: Body | undefined,
  readBytes: ReadBytes,
): readonly { readonly bytes: Uint8Array; readonly after: bigint }[] {
  if (body === undefined) return [];
  if (isPieces(body)) {
    return body.map(({ chunk, after }) => ({ bytes: contentBytes(chunk, readBytes), after: nanoseconds(after) }));
  }
  return [{ bytes: contentBytes(body, readBytes), after: 0n }];
}

function isPieces(body: Body): body is readonly Chunk[] {
  return Array.isArray(body);
}

/** A configuration's bytes: text as it is, `@file` the content of a file, anything else its JSON text. */
export function settingsBytes(settings: Settings | undefined, readBytes: ReadBytes): Uint8Array {
  if (settings === undefined) return new Uint8Array(0);
  if (typeof settings !== "string") return new TextEncoder().encode(JSON.stringify(settings));
  if (settings.startsWith("@")) return new Uint8Array(Buffer.from(readBytes(settings.slice(1)), "latin1"));
  return new TextEncoder().encode(settings);
}

/** Names in lower case and values as strings of bytes; a name without a value is left out. */
export function headerPairs(headers: HeaderValues | undefined): [string, string][] {
  return Object.entries(headers ?? {}).flatMap(([name, value]): [string, string][] => {
    const key = lowerAscii(utf8ByteString(name));
    if (value === null) return [];
    const values = typeof value === "object" ? value : [value];
    return values.map((one) => [key, utf8ByteString(String(one))]);
  });
}
