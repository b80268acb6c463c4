import { loadModule } from "../../host/load-module.ts";
import { pluginConfig } from "../../host/plugin-config.ts";
import { type BenchStream, prepareShape, type Step, STEPS } from "./bench-stream.ts";
import { Crowd, type CrowdSize } from "./crowd.ts";
import { countCalls, type HostCalls } from "./count-calls.ts";
import { emptyFilter } from "./empty-filter.ts";
import { type BenchFilter, FIGURES, Lane, type LaneOptions } from "./lane.ts";
import { measureMemory, type MemoryFigures } from "./measure-memory.ts";
import { medianInterval, pairedDifferences, pairedRatios, type Spread, spreadOf } from "./statistics.ts";
import { defaultShape, type StreamShape } from "./stream-shape.ts";

/** What to measure, and how. */
export interface MeasureRequest extends BenchFilter {
  /** Default an ordinary GET (`defaultShape`). */
  readonly shape?: StreamShape | undefined;
  /** Streams through each filter in all, after warming up; default 20,000. */
  readonly streams?: number | undefined;
  /** Streams that are under way in the filter's VM all the while; their time does not count. */
  readonly crowd?: CrowdSize | undefined;
  /** Another filter, measured in the same rounds. */
  readonly against?: BenchFilter | undefined;
  /** Milliseconds, as fine as can be: `performance.now`. */
  readonly now: () => number;
  readonly heartbeat?: Int32Array | undefined;
}

/** What a stream costs. Times in microseconds, without the loop that makes the calls. */
export interface MeasureResult {
  readonly streams: number;
  readonly rounds: number;
  /** From creation to deletion. */
  readonly perStream: Spread;
  /** The same of a filter that does nothing, measured in the same rounds. */
  readonly empty: Spread;
  /** How many times as much as the empty one, round by round. */
  readonly timesEmpty: Spread;
  /** Steps that this shape has; `callouts` is what their answers cost. */
  readonly steps: readonly { readonly step: Step | "callouts"; readonly microseconds: Spread }[];
  readonly hostCalls: HostCalls;
  readonly memory: MemoryFigures;
  /** Log lines at `info` and above, a stream. */
  readonly linesPerStream: number;
  /** Where a stream was still held in the end, or what it was answered with by the filter itself. */
  readonly outcome: StreamOutcome;
  readonly against: Comparison | undefined;
}

/** How a stream of this filter ends. */
export interface StreamOutcome {
  readonly heldIn: Step | undefined;
  readonly ownResponse: number | undefined;
  readonly reset: boolean;
}

/** Two filters in the same rounds. */
export interface Comparison {
  readonly perStream: Spread;
  /** The first one's time by the other one's: above 1 it is slower. */
  readonly ratio: Spread;
  /** Where the true ratio lies, 19 times of 20. */
  readonly interval: readonly [number, number];
  readonly verdict: "faster" | "slower" | "same";
}

/**
 * Measures a filter where it is called, in this thread: alone in a batch of streams, beside a filter that does nothing, the
 * empty loop, and the one to compare with, round by round in turn, so that whatever else the machine does falls on all of
 * them. Throws `BenchFailure` when a filter does not start or traps.
 */
export function measureFilter(request: MeasureRequest): MeasureResult {
  const { streams = DEFAULT_STREAMS, now, heartbeat } = request;
  const options: LaneOptions = { prepared: prepareShape(request.shape ?? defaultShape()), now, heartbeat };
  const filter: BenchFilter = { module: request.module, config: request.config };
  const perRound = Math.max(1, Math.ceil(streams / ROUNDS));
  const measured = runRounds(filter, request.against, { options, perRound, crowd: request.crowd });
  const loop = sums(measured.loop);
  const own = pairedDifferences(sums(measured.filter), loop);
  const empty = pairedDifferences(sums(measured.empty), loop);
  return {
    streams: perRound * ROUNDS,
    rounds: ROUNDS,
    perStream: spreadOf(own),
    empty: spreadOf(empty),
    timesEmpty: spreadOf(pairedRatios(own, empty)),
    steps: stepsOf(measured.filter, measured.loop, options),
    hostCalls: countCalls(filter, options),
    memory: measureMemory(filter, options, streams),
    linesPerStream: measured.lines / (perRound * ROUNDS),
    outcome: measured.outcome,
    against: measured.other === undefined ? undefined : compare(own, pairedDifferences(sums(measured.other), loop)),
  };
}

/** Microseconds of each step, a stream, round by round. */
type Rounds = readonly Float64Array[];

interface Measured {
  readonly loop: Rounds;
  readonly empty: Rounds;
  readonly filter: Rounds;
  readonly other: Rounds | undefined;
  readonly lines: number;
  readonly outcome: StreamOutcome;
}

/** Measures all in turn: A B C, B C A, C A B, and so on. */
function runRounds(
  filter: BenchFilter,
  against: BenchFilter | undefined,
  { options, perRound, crowd }: RoundOptions,
): Measured {
  const empty = { module: loadModule(emptyFilter(), { profile: filter.module.profile }), config: pluginConfig() };
  const start = (one: BenchFilter | undefined): Runner => {
    const lane = new Lane(one, options);
    return { lane, rounds: [], crowd: crowd === undefined ? undefined : new Crowd(lane, crowd) };
  };
  const runners = { loop: start(undefined), empty: start(empty), filter: start(filter) };
  const other = against === undefined ? undefined : start(against);
  const turn = [...Object.values(runners), ...(other === undefined ? [] : [other])];
  for (const runner of turn) warmUp(runner.lane, perRound * ROUNDS, options.now);
  const { lane } = runners.filter;
  const linesBefore = lane.lines;
  takeTurns(turn, perRound);
  return {
    loop: runners.loop.rounds,
    empty: runners.empty.rounds,
    filter: runners.filter.rounds,
    other: other?.rounds,
    lines: lane.lines - linesBefore,
    outcome: outcomeOf(lane.last),
  };
}

function takeTurns(turn: readonly Runner[], perRound: number): void {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const place of turn.keys()) {
      const runner = turn[(place + round) % turn.length];
      runner?.rounds.push(runRound(runner, perRound));
    }
  }
  for (const { lane, crowd } of turn) {
    crowd?.end();
    lane.stop();
  }
}

function outcomeOf(stream: BenchStream | undefined): StreamOutcome {
  return { heldIn: stream?.pausedIn, ownResponse: stream?.reply?.status, reset: stream?.wasReset ?? false };
}

interface Runner {
  readonly lane: Lane;
  readonly rounds: Float64Array[];
  readonly crowd: Crowd | undefined;
}

interface RoundOptions {
  readonly options: LaneOptions;
  readonly perRound: number;
  readonly crowd: CrowdSize | undefined;
}

const DEFAULT_STREAMS = 20_000;
const ROUNDS = 20;
/** Streams that are open at the same time. */
const BATCH = 250;

/** Until V8's optimising compiler has had its turn: so many streams, or so many milliseconds. */
function warmUp(lane: Lane, streams: number, now: () => number): void {
  const until = now() + WARM_UP_MS;
  const count = Math.min(Math.max(streams, WARM_UP_LEAST), WARM_UP_MOST);
  for (let done = 0; done < count && now() < until; done += BATCH) lane.batch(BATCH, new Float64Array(FIGURES));
}

const WARM_UP_LEAST = 2000;
const WARM_UP_MOST = 20_000;
const WARM_UP_MS = 500;

/** Microseconds of each step, a stream. */
function runRound({ lane, crowd }: Runner, streams: number): Float64Array {
  const times = new Float64Array(FIGURES);
  for (let left = streams; left > 0; left -= BATCH) {
    lane.batch(Math.min(BATCH, left), times);
    crowd?.advance();
  }
  return times.map((ms) => (ms * 1000) / streams);
}

function sums(rounds: Rounds): number[] {
  return rounds.map((times) => times.reduce((sum, time) => sum + time, 0));
}

function stepsOf(rounds: Rounds, loop: Rounds, { prepared }: LaneOptions): MeasureResult["steps"] {
  const { requestBody, requestTrailers, responseTrailers } = prepared.shape;
  const absent = new Set<Step | "callouts">([
    ...(requestBody.length === 0 ? (["request body"] as const) : []),
    ...(requestTrailers === undefined ? (["request trailers"] as const) : []),
    ...(responseTrailers === undefined ? (["response trailers"] as const) : []),
    ...(rounds.every((times) => times[STEPS.length] === 0) ? (["callouts"] as const) : []),
  ]);
  return [...STEPS, "callouts" as const].flatMap((step, index) => {
    if (absent.has(step)) return [];
    const own = rounds.map((times) => times[index] ?? 0);
    const base = loop.map((times) => times[index] ?? 0);
    return [{ step, microseconds: spreadOf(pairedDifferences(own, base)) }];
  });
}

function compare(own: readonly number[], other: readonly number[]): Comparison {
  const ratios = pairedRatios(own, other);
  const interval = medianInterval(ratios);
  const verdict = interval[0] > 1 + SMALL ? "slower" : interval[1] < 1 - SMALL ? "faster" : "same";
  return { perStream: spreadOf(other), ratio: spreadOf(ratios), interval, verdict };
}

/** A difference nobody has to care about. */
const SMALL = 0.02;
