import type { BenchStream } from "./bench-stream.ts";
import type { Lane } from "./lane.ts";
import { FIGURES } from "./lane.ts";

/** Streams that are under way beside the measured ones. */
export interface CrowdSize {
  readonly streams: number;
  /** How many of them go on by one step after each batch. */
  readonly advance: number;
}

/** Keeps streams open in a filter's VM and lets some of them go on, one step at a time, each in its own time. */
export class Crowd {
  readonly #lane: Lane;
  readonly #advance: number;
  readonly #members: { stream: BenchStream; step: number }[];
  #random = 1;

  constructor(lane: Lane, { streams, advance }: CrowdSize) {
    this.#lane = lane;
    this.#advance = advance;
    this.#members = this.#open(streams).map((stream) => ({ stream, step: 0 }));
    for (const member of this.#members) this.#goOn(member);
  }

  /** Lets some go on; one that is at its end is followed by a new one. */
  advance(): void {
    for (let count = 0; count < this.#advance; count += 1) {
      // The same ones in every run.
      this.#random = (this.#random * 48_271) % 2_147_483_647;
      const member = this.#members[this.#random % this.#members.length];
      if (member !== undefined) this.#goOn(member);
    }
  }

  end(): void {
    for (const { stream } of this.#members) {
      stream.log();
      stream.delete();
    }
  }

  #open(count: number): BenchStream[] {
    return this.#lane.open(count, new Float64Array(FIGURES));
  }

  #goOn(member: { stream: BenchStream; step: number }): void {
    const step = STEPS[member.step];
    step?.(member.stream);
    member.step += 1;
    if (step !== undefined) return;
    const [fresh] = this.#open(1);
    if (fresh !== undefined) member.stream = fresh;
    member.step = 0;
  }
}

const STEPS: readonly ((stream: BenchStream) => void)[] = [
  (stream) => stream.requestHeaders(),
  (stream) => stream.requestBody(),
  (stream) => stream.responseHeaders(),
  (stream) => stream.responseBody(),
  (stream) => {
    stream.log();
    stream.delete();
  },
];
