import { messageOf } from "../domain/errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import { readAtMost, unreadable } from "../platform/read-file.ts";

/** Which file, and who hears of it. */
export interface FollowFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Told the text at first and whenever it is another. */
  readonly onText: (text: string) => void;
}

/**
 * Reads a file again and again: a mounted ConfigMap is exchanged by links, which no watch of files tells reliably. A
 * file that cannot be read is no empty one: what it said last stays. Ends with the signal; never throws.
 */
export async function followFile(options: FollowFileOptions, signal: AbortSignal): Promise<void> {
  const { path, clock, log, onText } = options;
  let last: string | undefined;
  let said = "";
  while (!signal.aborted) {
    try {
      const bytes = await readAtMost(path, MAX_FILE);
      if (bytes === undefined) throw new Error(`it has more than ${MAX_FILE} bytes`);
      const text = Buffer.from(bytes).toString("utf8");
      if (text !== last) onText(text);
      last = text;
      said = "";
    } catch (error) {
      const why = unreadable(error) ?? messageOf(error);
      if (why !== said) log.warn(`cannot read the list ${path}, trying again`, { error: why });
      said = why;
    }
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}

const EVERY_MS = 1000;
const MAX_FILE = 4 * 1024 * 1024;
