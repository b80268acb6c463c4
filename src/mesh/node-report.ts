import { type Digest, isDigest } from "../domain/digest.ts";
import { isObject, tryParseJson } from "../domain/json.ts";

/** Label of a node's report; its value is the node's name as {@link import("./names.ts").workloadLabel} shortens it. */
export const NODE_LABEL = "wasme.io/node";
/** Annotation of a node's report with the node's whole name. */
export const NODE_ANNOTATION = "wasme.io/node-name";

/**
 * What a node's cache says of one entry of its list. `ready`: verified and on the node. `pulling`: not yet, still
 * tried. `failed`: given up until the entry or the registry's answer changes; `error` says why.
 */
export interface EntryReport {
  readonly state: "pulling" | "ready" | "failed";
  /** The reference as listed. */
  readonly reference: string;
  /** Digest of the module, once known. */
  readonly module?: Digest;
  /** Size of the module, once known. */
  readonly bytes?: number;
  /** When this state began, ISO 8601 with seconds, UTC. */
  readonly time: string;
  /** One sentence, without secrets. */
  readonly error?: string;
}

/** The value of a report's key, which is the key of the entry in the cache's list. */
export function formatEntryReport(report: EntryReport): string {
  return JSON.stringify(report);
}

/** Reads a value back; `undefined` for anything that is not one: other versions may have written it. */
export function parseEntryReport(text: string): EntryReport | undefined {
  const value = tryParseJson(text);
  if (!isObject(value)) return undefined;
  const { state, reference, module, bytes, time, error } = value;
  if (state !== "pulling" && state !== "ready" && state !== "failed") return undefined;
  if (typeof reference !== "string" || typeof time !== "string") return undefined;
  return {
    state,
    reference,
    time,
    ...(typeof module === "string" && isDigest(module) ? { module } : {}),
    ...(typeof bytes === "number" ? { bytes } : {}),
    ...(typeof error === "string" ? { error } : {}),
  };
}
