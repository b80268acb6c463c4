import type { ClientHttp2Stream, ServerHttp2Stream, ServerStreamResponseOptions } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { GAP_MS, type Headers } from "../scenario.ts";

/** Headers as Node's HTTP/2 takes them: several values of a name are a list. */
export function fieldsOf(headers: Headers): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const old = fields[name];
    fields[name] = old === undefined ? value : [...(Array.isArray(old) ? old : [old]), value];
  }
  return fields;
}

/** Names and values of a flat list, as Node gives raw headers. */
export function pairsOf(raw: readonly string[]): Headers {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[at * 2] ?? "", raw[at * 2 + 1] ?? ""] as const);
}

/** Writes the pieces one by one, with the end of the stream on the last one unless it stays open. */
export async function writePieces(
  stream: ClientHttp2Stream | ServerHttp2Stream,
  pieces: readonly string[],
  stayOpen: boolean,
): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    await sleep(GAP_MS);
    if (stream.destroyed) return;
    const bytes = Buffer.from(piece, "latin1");
    if (index === pieces.length - 1 && !stayOpen) stream.end(bytes);
    else stream.write(bytes);
  }
}

/** A response without the date Node would add. */
export function responseOptions(waitForTrailers: boolean): ServerStreamResponseOptions {
  const options = { waitForTrailers, sendDate: false }; // which the types do not know
  return options;
}
