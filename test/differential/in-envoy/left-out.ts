import type { PlannedCase } from "../../../src/sandbox/test/planned-case.ts";
import { templateCases, templateNames, unreachableParts } from "./template-cases.ts";

/** Something of the templates' test files that is not done or not looked at in the real Envoy, and why. */
export interface LeftOut {
  /** `*`: any. */
  readonly template: string;
  /** Name of the case; `*`: any that has the part and is not named beside it. */
  readonly test: string;
  /** By the place in the test file. */
  readonly part: string;
  /** `case`: the case is not run; `part`: it is run without that part. */
  readonly without: "case" | "part";
  readonly why: string;
}

const LONG = "a test waits for three seconds at most";
const SHARED = "nobody outside can put shared data into Envoy";

/** All there is; an entry that no case needs any more fails the test, and so does a case that needs one. */
export const leftOut: readonly LeftOut[] = [
  any("expect.paused", "Envoy shows nobody where a stream stands still"),
  any("expect.shared", "Envoy shows shared data to filters alone"),
  part("jwt-auth", "*", "given.time", "the tokens are valid until 2100, whatever the time is"),
  part(
    "ab-routing",
    "the route sees the variant in a header, and the same visitor always gets the same one",
    "advance",
    LONG,
  ),
  whole("jwt-auth", "time counts, give or take a minute", "given.time", "Envoy's clock is the machine's"),
  whole("jwt-auth", "time goes on", "given.time", "Envoy's clock is the machine's"),
  whole("jwt-auth", "the keys are fetched anew by and by, and the old ones are kept when that fails", "advance", LONG),
  whole("jwt-auth", "a key that is not known yet is looked for, at most every ten seconds", "advance", LONG),
  whole("local-rate-limit", "every interval brings new tokens", "advance", LONG),
  whole("local-rate-limit", "the rest of an interval is not lost when a bucket is filled late", "advance", LONG),
  whole("local-rate-limit", "a bucket holds no more than max_tokens, however long nobody came", "advance", LONG),
  whole("local-rate-limit", "an interval brings one token when nothing else is said", "advance", LONG),
  part(
    "local-rate-limit",
    "all worker threads take from the same bucket",
    "workers",
    "Envoy has as many workers, but which one takes a connection is not the client's to say",
  ),
  whole("local-rate-limit", "goes on with the tokens that are there already", "given.shared", SHARED),
  whole(
    "local-rate-limit",
    "a clock that was set back brings no tokens, and the bucket fills from then on",
    "given.shared",
    SHARED,
  ),
  whole("local-rate-limit", "what is no bucket is taken for a full one", "given.shared", SHARED),
  whole(
    "body-rewrite",
    "passes pieces on as they come and holds back no more than could be a match",
    "phases",
    "Envoy calls the filter, not the test",
  ),
  whole(
    "tcp-logger",
    "more fields from properties, in the order of their names, without those that are not there",
    "given.properties",
    "they need a client that speaks TLS",
  ),
];

function any(what: string, why: string): LeftOut {
  return part("*", "*", what, why);
}

function part(template: string, test: string, what: string, why: string): LeftOut {
  return { template, test, part: what, without: "part", why };
}

function whole(template: string, test: string, what: string, why: string): LeftOut {
  return { template, test, part: what, without: "case", why };
}

/** What the table says of a case. */
export interface Ruling {
  readonly run: boolean;
  readonly entries: readonly LeftOut[];
  /** Parts that cannot be reached and that no entry is about. */
  readonly open: readonly string[];
}

/** What the table says of a case; once it is not run, its other parts do not matter. */
export function rulingOf(template: string, planned: PlannedCase): Ruling {
  const entries: LeftOut[] = [];
  const open: string[] = [];
  for (const name of unreachableParts(planned)) {
    const fitting = leftOut.filter(
      (entry) =>
        entry.part === name && [template, "*"].includes(entry.template) && [planned.name, "*"].includes(entry.test),
    );
    const entry = fitting.find(({ test }) => test !== "*") ?? fitting[0];
    if (entry === undefined) open.push(name);
    else entries.push(entry);
  }
  const run = entries.every(({ without }) => without === "part");
  return { run, entries, open: run ? open : [] };
}

/** How many cases each template has and runs in Envoy. */
export interface Tally {
  readonly template: string;
  readonly cases: number;
  readonly run: number;
}

/** Counts, and names the mistakes of the table. */
export async function tallyAll(): Promise<{
  readonly tallies: readonly Tally[];
  readonly mistakes: readonly string[];
}> {
  const used = new Set<LeftOut>();
  const mistakes: string[] = [];
  const tallies: Tally[] = [];
  for (const template of await templateNames()) {
    const cases = await templateCases(template);
    let run = 0;
    for (const planned of cases) {
      const ruling = rulingOf(template, planned);
      for (const entry of ruling.entries) used.add(entry);
      for (const name of ruling.open) mistakes.push(`${template}: ${planned.name}: no reason for ${name}`);
      if (ruling.run) run += 1;
    }
    tallies.push({ template, cases: cases.length, run });
  }
  for (const entry of leftOut) {
    if (!used.has(entry))
      mistakes.push(`${entry.template}: ${entry.test}: nothing is left out of it for ${entry.part}`);
  }
  return { tallies, mistakes };
}
