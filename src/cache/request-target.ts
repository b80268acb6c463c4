import type { Digest } from "../domain/digest.ts";
import { digestOfHex } from "./content-folder.ts";

/** What a request of the cache is about. */
export type RequestTarget =
  | { readonly type: "module"; readonly module: Digest }
  | { readonly type: "mirror"; readonly path: string }
  | { readonly type: "reference"; readonly text: string }
  | { readonly type: "nothing" };

/**
 * Reads a request's path, also out of a whole address (RFC 9112 section 3.2.2: some clients send that). What ends in the hexadecimal digits of a digest is a module, whatever stands before or
 * around it: a proxy that asks for one must never hear that there is no such thing.
 */
export function requestTarget(url: string): RequestTarget {
  const path = decode(pathOf(url));
  if (path === undefined) return { type: "nothing" };
  if (path === "/v2" || path.startsWith("/v2/")) return { type: "mirror", path: path.slice("/v2".length) };
  const match = MODULE.exec(path);
  const module = digestOfHex(match?.groups?.["hex"]?.toLowerCase() ?? "");
  if (module !== undefined) return { type: "module", module };
  const text = path.replace(/^\/+/u, "");
  return text === "" ? { type: "nothing" } : { type: "reference", text };
}

/** Not after an `@`: a reference that is pinned to a manifest is one. */
const MODULE = /^\/(?:[^@]*\/)?(?:sha(?:256|512):)?(?<hex>[0-9a-f]{64}|[0-9a-f]{128})(?:\.wasm)?$/iu;

/** By hand: of what anybody may send, not all is an address to `URL`. */
function pathOf(url: string): string {
  return url.replace(/^https?:\/\/[^/?#]*/iu, "").split(/[?#]/u, 1)[0] ?? "";
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
