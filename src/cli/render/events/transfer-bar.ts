import { type Digest, shortDigest } from "../../../domain/digest.ts";
import type { ProgressEvent } from "../../../domain/events.ts";
import type { Channel } from "../../../platform/terminal.ts";
import { formatSize } from "../size.ts";

/** One blob on its way, as far as is known. */
export interface Transfer {
  readonly digest: Digest;
  readonly direction: "upload" | "download";
  /** Bytes. */
  readonly total: number;
  done: number;
  /** Where it stood lately, the oldest first: what the rate is made of. */
  readonly marks: { readonly at: number; readonly done: number }[];
}

const LONGEST_BAR = 24;
const SHORTEST_BAR = 8;
/** The rate is that of the last seconds, so that it follows a line that slows down. Milliseconds. */
const WINDOW_MS = 4000;

/** Notes progress; makes the transfer at its first event. `now` in milliseconds. */
export function trackTransfer(
  known: Transfer | undefined,
  event: Extract<ProgressEvent, { type: "blob.progress" }>,
  now: number,
): Transfer {
  const { digest, direction, total, done } = event;
  const transfer = known ?? { digest, direction, total, done, marks: [] };
  transfer.done = done;
  transfer.marks.push({ at: now, done });
  // The mark just older than the window stays: the window begins there.
  while (now - (transfer.marks[1]?.at ?? now) > WINDOW_MS) transfer.marks.shift();
  return transfer;
}

/** Bytes per second; 0 while nothing can be said. A silent line slows down with every look at it. */
export function transferRate({ marks, done }: Transfer, now: number): number {
  const [first] = marks;
  if (first === undefined || now - first.at < 100) return 0;
  return ((done - first.done) * 1000) / (now - first.at);
}

/** `↑ 6f8160e3 ━━━━━━━━────  45%  12.3 MB / 27.1 MB  10.2 MB/s  2s left`: what does not fit is left out, the bar first. */
export function transferLine(transfer: Transfer, { style, width }: Channel, now: number): string {
  const { done, total } = transfer;
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const head = `${transfer.direction === "upload" ? "↑" : "↓"} ${shortDigest(transfer.digest)} `;
  const facts = `${Math.floor(share * 100)}%`.padStart(4) + `  ${formatSize(done)} / ${formatSize(total)}`;
  const rate = transferRate(transfer, now);
  const speed = rate === 0 ? "" : `  ${formatSize(Math.round(rate))}/s`;
  const left = rate === 0 || done >= total ? "" : `  ${formatSeconds((total - done) / rate)} left`;
  const tail = [facts + speed + left, facts + speed, facts].find((text) => head.length + text.length < width) ?? facts;
  const room = Math.min(LONGEST_BAR, width - head.length - tail.length - 2);
  // A line that wraps could not be wiped.
  if (room < SHORTEST_BAR) return (head + tail).slice(0, Math.max(0, width - 1));
  const filled = Math.round(share * room);
  return `${head}${style.cyan("━".repeat(filled))}${style.dim("─".repeat(room - filled))} ${tail}`;
}

/** `4s`, `2m05s`, `1h03m`. */
function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}
