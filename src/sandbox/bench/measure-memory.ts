import { type BenchFilter, FIGURES, Lane, type LaneOptions } from "./lane.ts";

/** The guest's memory, in pages of 64 KiB, and what streams do to it. */
export interface MemoryFigures {
  readonly pagesAtStart: number;
  readonly pagesAtHalf: number;
  readonly pagesAtEnd: number;
  /** No page was added in the second half of the streams. */
  readonly flat: boolean;
  /** Bytes that each stream of the second half left behind. */
  readonly bytesPerStream: number;
  /**
   * Bytes that each of many open streams takes, as far as pages tell: 0 when they fit into what was there. `undefined` when
   * the filter trapped with so many of them.
   */
  readonly bytesPerOpenStream: number | undefined;
  /** How many those were. */
  readonly openStreams: number;
}

/** Sends streams through a fresh instance and looks at its memory: does it grow without end? */
export function measureMemory(filter: BenchFilter, options: LaneOptions, streams: number): MemoryFigures {
  const lane = new Lane(filter, options);
  const pagesAtStart = lane.pages;
  const half = Math.ceil(streams / 2);
  send(lane, half);
  const pagesAtHalf = lane.pages;
  send(lane, half);
  const pagesAtEnd = lane.pages;
  const open = lane.open(OPEN, new Float64Array(FIGURES));
  for (const stream of open) stream.requestHeaders();
  const bytesPerOpenStream = lane.failed ? undefined : ((lane.pages - pagesAtEnd) * PAGE) / OPEN;
  for (const stream of open) {
    stream.log();
    stream.delete();
  }
  lane.stop();
  return {
    pagesAtStart,
    pagesAtHalf,
    pagesAtEnd,
    flat: pagesAtHalf === pagesAtEnd,
    bytesPerStream: ((pagesAtEnd - pagesAtHalf) * PAGE) / half,
    bytesPerOpenStream,
    openStreams: OPEN,
  };
}

function send(lane: Lane, streams: number): void {
  // One at a time: how many are open at once is another question.
  for (let left = streams; left > 0; left -= 1) lane.batch(1, new Float64Array(FIGURES));
}

const PAGE = 65_536;
const OPEN = 2000;
