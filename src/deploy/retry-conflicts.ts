import { WasmeError } from "../domain/errors.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Clock } from "../platform/clock.ts";

/** Attempts in all. */
const ATTEMPTS = 5;
const BASE_MS = 50;

/** What a write is told that was made for an object as it is no more. */
const LOST: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "KUBE_NOT_FOUND"]);

/**
 * Runs `attempt`, which reads the object anew each time, again when somebody else wrote the object first, or deleted it, at
 * most five times with growing, random pauses. Throws the last `KUBE_CONFLICT` or `KUBE_NOT_FOUND`, and any other error at once.
 */
export async function retryConflicts<T>(
  deps: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
  attempt: () => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      const wasSlow = error instanceof WasmeError && LOST.has(error.code);
      if (!wasSlow || number === ATTEMPTS) throw error;
      await deps.clock.sleep(BASE_MS * 2 ** (number - 1) * (0.5 + Math.random()), deps.signal);
    }
  }
}

/** Only the object that was seen, in the version that was seen: what a delete is told. */
export function seenOf({ metadata }: KubeObject): { readonly uid?: string; readonly resourceVersion?: string } {
  const { uid, resourceVersion } = metadata;
  return { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
}

/** Somebody else made the object first: it is to be looked at again. */
export function asConflict(error: unknown): never {
  if (error instanceof WasmeError && error.code === "KUBE_ALREADY_EXISTS") {
    throw new WasmeError("failed", "KUBE_CONFLICT", error.message, { cause: error });
  }
  throw error;
}
