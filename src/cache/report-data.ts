import { type EntryReport, formatEntryReport } from "../mesh/node-report.ts";

/** The data of a node's report. */
export interface ReportData {
  readonly data: Readonly<Record<string, string>>;
  /** Entries that have no place in it. */
  readonly left: number;
}

/**
 * Brings a node's reports into one object, which takes a mebibyte: when it gets tight they say less, in steps, down to
 * what has to be known of each, its state. Should even that be too much, the oldest that are ready are left out.
 */
export function reportData(reports: ReadonlyMap<string, EntryReport>): ReportData {
  for (const shorten of STEPS) {
    const lines = [...reports].map(([key, report]) => [key, formatEntryReport(shorten(report))] as const);
    const size = new Size();
    if (lines.every((line) => size.takes(line))) return { data: Object.fromEntries(lines), left: 0 };
  }
  const order = [...reports].toSorted(
    ([, one], [, other]) => rank(one) - rank(other) || (one.time < other.time ? 1 : -1),
  );
  const size = new Size();
  const lines = order
    .map(([key, report]) => [key, formatEntryReport(least(report))] as const)
    .filter((line) => size.takes(line));
  return { data: Object.fromEntries(lines), left: reports.size - lines.length };
}

/** What is waited for comes first. */
function rank({ state }: EntryReport): number {
  return state === "ready" ? 1 : 0;
}

/** Other versions expect all that is not optional. */
const STEPS: readonly ((report: EntryReport) => EntryReport)[] = [
  (report) => report,
  (report) => ({ ...report, reference: "" }),
  ({ bytes: _bytes, ...report }) => ({ ...report, reference: "", time: "" }),
  least,
];

function least({ state, error }: EntryReport): EntryReport {
  return { state, reference: "", time: "", ...(error === undefined ? {} : { error: error.slice(0, SHORT_ERROR) }) };
}

/** What is in an object so far. */
class Size {
  #data = 0;
  #all = 0;

  /** False when there is no place left for it. */
  takes([key, text]: readonly [string, string]): boolean {
    this.#data += key.length + Buffer.byteLength(text);
    // The server also keeps a list of an object's fields, which names each key again.
    this.#all += 2 * key.length + Buffer.byteLength(text) + FIELD_BYTES;
    return this.#data <= MOST_DATA && this.#all <= MOST_OBJECT;
  }
}

/** What the server refuses beyond 1 MiB. Bytes. */
const MOST_DATA = 1_000_000;
/** What its storage refuses beyond 1.5 MiB. Bytes. */
const MOST_OBJECT = 1_450_000;
/** `"f:": {}` and its like. */
const FIELD_BYTES = 16;
const SHORT_ERROR = 80;
