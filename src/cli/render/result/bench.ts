import type { Style } from "../../../platform/terminal.ts";
import type { BenchResult } from "../../../sandbox/bench/bench-filter.ts";
import type { Comparison, MeasureResult } from "../../../sandbox/bench/measure-filter.ts";
import type { Spread } from "../../../sandbox/bench/statistics.ts";
import { formatSize } from "../size.ts";

/** The figures as a table that explains itself: what was measured, the figure, how it spreads. */
export function renderBench(result: BenchResult, style: Style): string {
  const { filter, against, warm } = result;
  const rounds = `${warm.streams} streams in ${warm.rounds} rounds, in turn with a filter that does nothing`;
  return [
    `${style.bold(filter.name)} (${formatSize(filter.size)}): ${rounds}`,
    ...(against === undefined ? [] : [`The other one: ${style.bold(against.name)} (${formatSize(against.size)})`]),
    style.dim("Microseconds in this host, on this machine: to compare with each other, not with Envoy's."),
    "",
    ...table([...streamRows(warm), ...comparisonRows(warm.against), ...otherRows(result)], style),
    ...remarks(warm).map((remark) => `${style.yellow("Note:")} ${remark}`),
  ].join("\n");
}

interface Row {
  readonly title: string;
  readonly figure: string;
  readonly remark?: string;
  /** Belongs to the row above it. */
  readonly part?: boolean;
}

function table(rows: readonly Row[], style: Style): string[] {
  const titles = Math.max(...rows.map(({ title, part }) => title.length + (part === true ? 2 : 0)));
  const figures = Math.max(...rows.map(({ figure }) => figure.length));
  return rows.map(({ title, figure, remark = "", part = false }) => {
    const name = `${part ? "  " : ""}${title}`.padEnd(titles);
    return `  ${part ? style.dim(name) : name}  ${figure.padStart(figures)}  ${style.dim(remark)}`.trimEnd();
  });
}

function streamRows({ perStream, timesEmpty, empty, steps }: MeasureResult): Row[] {
  return [
    { title: "one stream", figure: micros(perStream.median), remark: `${range(perStream)} in most rounds` },
    ...steps.map(({ step, microseconds }) => ({
      title: step,
      figure: micros(microseconds.median),
      remark: STEP_WORDS[step],
      part: true,
    })),
    { title: "an empty filter", figure: micros(empty.median), remark: range(empty) },
    { title: "times an empty filter", figure: timesEmpty.median.toFixed(1), remark: ratioRange(timesEmpty) },
  ];
}

const STEP_WORDS: Readonly<Record<MeasureResult["steps"][number]["step"], string>> = {
  create: "proxy_on_context_create",
  "request headers": "proxy_on_request_headers",
  "request body": "proxy_on_request_body, for all its pieces",
  "request trailers": "proxy_on_request_trailers",
  "response headers": "proxy_on_response_headers",
  "response body": "proxy_on_response_body, for all its pieces",
  "response trailers": "proxy_on_response_trailers",
  log: "proxy_on_log",
  delete: "proxy_on_done, proxy_on_delete",
  callouts: "answers to callouts, each an empty 200",
};

function comparisonRows(comparison: Comparison | undefined): Row[] {
  if (comparison === undefined) return [];
  const { perStream, ratio, interval, verdict } = comparison;
  const change = ((ratio.median - 1) * 100).toFixed(1);
  const [least, most] = interval.map((value) => `${((value - 1) * 100).toFixed(1)} %`);
  const words = verdict === "same" ? "no difference to speak of" : verdict;
  return [
    { title: "the other one", figure: micros(perStream.median), remark: range(perStream) },
    {
      title: "compared with it",
      figure: `${Number(change) > 0 ? "+" : ""}${change} %`,
      remark: `${words}: ${least ?? ""} to ${most ?? ""}, 19 times of 20`,
    },
  ];
}

function otherRows({ cold, warm }: BenchResult): Row[] {
  const { hostCalls, memory } = warm;
  return [
    { title: "host calls a stream", figure: count(hostCalls.perStream) },
    ...hostCalls.byName.map(({ name, perStream, failed }) => ({
      title: name,
      figure: count(perStream),
      remark: failed === 0 ? "" : `${count(failed)} not answered Ok`,
      part: true,
    })),
    ...(warm.linesPerStream === 0 ? [] : [{ title: "log lines a stream", figure: count(warm.linesPerStream) }]),
    { title: "memory", figure: formatSize(memory.pagesAtEnd * PAGE), remark: memoryWords(warm) },
    { title: "compile", figure: millis(cold.compileMs.median) },
    { title: "start", figure: millis(cold.startMs.median), remark: "instance, start code, configuration" },
    {
      title: "first stream",
      figure: micros(cold.firstStream.median),
      remark: "V8 compiles functions on their first call",
    },
    { title: "one of the first 100", figure: micros(cold.firstHundred.median) },
  ];
}

const PAGE = 65_536;

function memoryWords({ memory, streams }: MeasureResult): string {
  const { flat, bytesPerStream, pagesAtStart, pagesAtEnd, bytesPerOpenStream = 0 } = memory;
  const open = bytesPerOpenStream === 0 ? "" : `; about ${Math.ceil(bytesPerOpenStream)} B an open stream`;
  if (!flat) return `grows by ${Math.ceil(bytesPerStream)} B a stream${open}`;
  const grown = pagesAtEnd === pagesAtStart ? "" : `, from ${formatSize(pagesAtStart * PAGE)} at the start`;
  return `flat over ${streams} streams${grown}${open}`;
}

function remarks({ outcome, memory, timesEmpty }: MeasureResult): string[] {
  const { heldIn, ownResponse, reset } = outcome;
  return [
    ...(heldIn === undefined ? [] : [`the filter holds the stream in ${heldIn}; what follows was not measured`]),
    ...(ownResponse === undefined ? [] : [`the filter answers this request itself, with ${ownResponse}`]),
    ...(reset ? ["the filter resets this stream"] : []),
    ...(memory.flat ? [] : ["memory still grew in the second half: more --requests tell whether it ends"]),
    ...(memory.bytesPerOpenStream === undefined ? [`it traps with ${memory.openStreams} streams open at once`] : []),
    ...(timesEmpty.high > timesEmpty.median * 2 ? ["the machine is busy: figures of rounds differ much"] : []),
  ];
}

function micros(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0)} µs`;
}

function millis(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

function count(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

function range({ low, high }: Spread): string {
  return `${micros(low).replace(" µs", "")} to ${micros(high)}`;
}

function ratioRange({ low, high }: Spread): string {
  return `${low.toFixed(1)} to ${high.toFixed(1)}`;
}
