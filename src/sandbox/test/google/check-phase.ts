import type { Failure } from "../case-result.ts";
import { type PhaseResult, resultOf } from "./google-stream.ts";
import { type FileReader, matchTexts, readable, shown } from "./match-text.ts";
import type { GoogleExpectation, GoogleMatcher } from "./runner-schema.ts";

/** What a phase is checked by. */
export interface PhaseCheck {
  readonly expected: GoogleExpectation;
  /** Where the expectation stands: `test[0].request_headers.result`. */
  readonly path: string;
  /** What the filter logged in the phase, as the text of the lines. */
  readonly logs: readonly string[];
  readonly readFile: FileReader;
}

/** Checks the log lines alone: all that the tester looks at where a plugin or a stream begins or ends. */
export function checkLogs({ expected, path, logs, readFile }: PhaseCheck): Failure[] {
  return matches(expected.log, { path: `${path}.log`, what: "log line", texts: logs, readFile });
}

/** Checks everything a phase left behind. */
export function checkPhase(check: PhaseCheck, came: PhaseResult): Failure[] {
  const { expected, path, readFile } = check;
  // The tester's body phases know no response of the filter; where one is expected it is what everything else is about.
  const ownReply = came.status === undefined && expected.immediate !== undefined ? came.reply : undefined;
  const result = ownReply === undefined ? came : resultOf(ownReply);
  const lines = [...result.headers].map(([name, value]) => `${name}: ${value}`);
  return [
    ...checkHeaders(expected, result, path),
    ...matches(expected.headers, { path: `${path}.headers`, what: "header", texts: lines, readFile }),
    ...matches(expected.body, { path: `${path}.body`, what: "body", texts: [result.body], readFile }),
    ...checkImmediate(expected.immediate, result, `${path}.immediate`),
    ...checkLogs(check),
  ];
}

function checkHeaders(expected: GoogleExpectation, { headers }: PhaseResult, path: string): Failure[] {
  const present = expected.hasHeader.map(({ key = "", value = "" }, index): Failure | undefined => {
    const at = `${path}.has_header[${index}]`;
    if (key === "") return failure(at, "a header has to have a key");
    const actual = headers.get(key);
    if (actual === value) return undefined;
    if (actual === undefined) return failure(at, `there is no header "${key}"`, { expected: shown(value) });
    return failure(at, `header "${key}" is ${shown(actual)}, expected ${shown(value)}`, {
      expected: readable(value),
      actual: readable(actual),
    });
  });
  const absent = expected.noHeader.map(({ key = "" }, index): Failure | undefined => {
    const at = `${path}.no_header[${index}]`;
    if (key === "") return failure(at, "a header has to have a key");
    const actual = headers.get(key);
    if (actual === undefined) return undefined;
    return failure(at, `header "${key}" is ${shown(actual)}, expected to be absent`, { actual: readable(actual) });
  });
  return [...present, ...absent].filter((found) => found !== undefined);
}

/**
 * A response of the filter's own is there if and only if it is expected, and a filter that pauses without one fails, as
 * nothing would ever resume it. In body phases the tester sees neither; here an expected response is looked for there too.
 */
function checkImmediate(expected: GoogleExpectation["immediate"], result: PhaseResult, path: string): Failure[] {
  const { reply, status } = result;
  if (expected === undefined) {
    if (status === undefined) return [];
    if (reply !== undefined) {
      return [failure(path, `the filter answered the request itself with ${reply.status}, expected it to go on`)];
    }
    return status === "continue" ? [] : [failure(path, `the filter paused (${status}), expected it to go on`)];
  }
  if (reply === undefined) return [failure(path, "the filter sent no response of its own, and one is expected")];
  // The tester compares what the filter gave; the host has made Envoy's form of the details of it.
  const details = expected.details?.replaceAll(/[\t\n\v\f\r ]/gu, "_");
  return [
    differs("http_status", expected.httpStatus, reply.status, path),
    differs("grpc_status", expected.grpcStatus, reply.grpcStatus ?? NO_GRPC_STATUS, path),
    differs("details", details, reply.details, path),
  ].filter((found) => found !== undefined);
}

/** What `-1`, the SDKs' word for none, is for the tester. */
const NO_GRPC_STATUS = 0xff_ff_ff_ff;

function differs<T extends string | number>(
  name: string,
  expected: T | undefined,
  actual: T,
  path: string,
): Failure | undefined {
  if (expected === undefined || expected === actual) return undefined;
  const [wanted, came] = [JSON.stringify(expected), JSON.stringify(actual)];
  return failure(`${path}.${name}`, `${name} is ${came}, expected ${wanted}`, { expected: wanted, actual: came });
}

interface Matching {
  readonly path: string;
  readonly what: string;
  readonly texts: readonly string[];
  readonly readFile: FileReader;
}

function matches(matchers: readonly GoogleMatcher[], { path, what, texts, readFile }: Matching): Failure[] {
  const actual = texts.length === 0 ? `no ${what} at all` : texts.map(readable).join("\n");
  return matchers.flatMap((matcher, index) => {
    const unmet = matchTexts(matcher, { what, texts, readFile });
    if (unmet === undefined) return [];
    return [failure(`${path}[${index}]`, unmet.message, { expected: unmet.expected, actual })];
  });
}

function failure(
  path: string,
  message: string,
  { expected, actual }: { readonly expected?: string | undefined; readonly actual?: string } = {},
): Failure {
  return { path, message, expected, actual };
}
