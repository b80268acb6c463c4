import { messageOf, WasmeError } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";
import { isRoomSoon } from "./room.ts";

/** What a failure to bring an image to the node means. */
export interface PullFailure {
  /** One sentence for the report, without secrets. */
  readonly message: string;
  /**
   * `passing`: may be over any moment. `refused`: the registry or the disk says no; somebody may change that without
   * touching the list. `lasting`: these bytes will not do, whoever asks.
   */
  readonly sort: "passing" | "refused" | "lasting";
  /** After what time it is tried again; never when absent. Milliseconds. */
  readonly retryMs?: number;
  /** Whether a proxy that asks may bring that time forward; not where the registry asked for a rest. */
  readonly mayNudge: boolean;
}

/**
 * Judges a failure. `failures` counts those in a row, this one included.
 * - passing (network, 408, 429, 5xx, full or broken disk, no room yet, bugs): after 1 s, doubled each time, at most 60 s;
 * - refused (401, 403, 404, damaged bytes, no room below the size cap): the first one counts as passing, since a pull
 *   secret may come a moment after its image; then after 30 s, doubled, at most 10 min;
 * - lasting (no filter image, no module, too large, a reference that cannot be read): never.
 */
export function judgeFailure(error: unknown, failures: number): PullFailure {
  const message = tidy(messageOf(error));
  const found = sortOf(error);
  const sort = found === "refused" && failures === 1 ? "passing" : found;
  if (sort === "lasting") return { message, sort, mayNudge: false };
  const { first, most } = WAITS[sort];
  return {
    message,
    sort,
    mayNudge: sort === "passing" && !isBusy(error),
    retryMs: Math.min(most, first * 2 ** Math.min(failures - 1 - (sort === "refused" ? 1 : 0), 20)),
  };
}

function sortOf(error: unknown): PullFailure["sort"] {
  if (!(error instanceof WasmeError)) return "passing";
  if (error.kind === "incompatible" || error.code === "REFERENCE_INVALID") return "lasting";
  if (error.kind === "not-found" || error.kind === "unauthorised" || error.kind === "usage") return "refused";
  return REFUSED.has(error.code) && !isRoomSoon(error) ? "refused" : "passing";
}

function isBusy(error: unknown): boolean {
  return error instanceof WasmeError && error.code === "REGISTRY_BUSY";
}

/** True when other credentials might help. */
export function isDenied(error: unknown): boolean {
  return error instanceof WasmeError && (error.kind === "unauthorised" || error.kind === "not-found");
}

const WAITS = {
  passing: { first: 1000, most: 60_000 },
  refused: { first: 30_000, most: 600_000 },
} as const;

/** Kind `failed`, but not by accident. */
const REFUSED: ReadonlySet<string> = new Set([
  "BLOB_DAMAGED",
  "MANIFEST_DAMAGED",
  "MANIFEST_INVALID",
  "LAYER_INVALID",
  "CACHE_FULL",
  "BODY_TOO_LARGE",
  "REGISTRY_REFUSED",
]);

/** One line that a person reads: reports of thousands of images have to fit into one object. */
function tidy(message: string): string {
  const line = redact(message.replaceAll(/\s+/gu, " ").trim());
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

const LONGEST = 300;
