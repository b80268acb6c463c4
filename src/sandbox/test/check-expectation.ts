import { textOf, utf8ByteString } from "../../host/byte-string.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { MetricReading } from "../../host/metrics.ts";
import { pluginConfig } from "../../host/plugin-config.ts";
import { readProperty } from "../../host/properties.ts";
import type { Checks } from "./checks.ts";
import type { LiveExchange, SeenMessage } from "./live-exchange.ts";
import { propertyText } from "./given.ts";
import { describeValue } from "./matchers.ts";
import type { Expectation, PausePlace, RequestExpectation, ResponseExpectation } from "./model-expect.ts";
import type { Session } from "./session.ts";
import type { Place } from "./shape.ts";

/** What came of one exchange, and of the host while it went on. */
export interface Came {
  readonly session: Session;
  /** `undefined` where there was none: a step that only moves the clock. */
  readonly exchange: LiveExchange | undefined;
  /** Lines and reports since the exchange began. */
  readonly logs: readonly LogEntry[];
  readonly reports: readonly HostReport[];
  readonly vmId: string;
}

/** Holds what came against what was expected, but for what belongs to the start. */
export function checkExpectation(checks: Checks, expect: Expectation, at: Place, came: Came): void {
  const { exchange, session } = came;
  if (exchange !== undefined) {
    checkExchange(checks, expect, at, exchange);
    checkProperties(checks, expect.properties ?? {}, [...at, "properties"], { exchange, session });
  }
  if (expect.log !== undefined) checks.log([...at, "log"], expect.log, came.logs);
  if (expect.metrics !== undefined) checkMetrics(checks, expect.metrics, [...at, "metrics"], session);
  checkStores(checks, expect, at, came);
  checkWarnings(checks, expect.warnings ?? [], [...at, "warnings"], came.reports);
}

function checkStores(checks: Checks, expect: Expectation, at: Place, { session, vmId }: Came): void {
  if (expect.shared !== undefined) {
    const data = new Map(session.host.sharedData.list(vmId).map(({ key, value }) => [key, byteText(value)]));
    for (const [key, matcher] of Object.entries(expect.shared)) {
      checks.value([...at, "shared", key], `shared data ${key}`, matcher, data.get(key));
    }
  }
  for (const [name, messages] of Object.entries(expect.queues ?? {})) {
    const queue = session.host.sharedQueues.list(vmId).find((one) => one.name === name);
    const entries = (queue?.entries ?? []).map(byteText);
    checks.list([...at, "queues", name], `queue ${name}`, messages, entries);
  }
}

function checkWarnings(checks: Checks, expected: readonly string[], at: Place, reports: readonly HostReport[]): void {
  const codes = [...new Set(reports.map(({ code }) => code))];
  const actual = codes.length === 0 ? "nothing" : codes.join(", ");
  for (const [place, code] of expected.entries()) {
    if (codes.some((one) => one === code)) continue;
    checks.fail([...at, place], `the host reported ${actual}, expected ${code}`, { expected: code, actual });
  }
}

function checkExchange(checks: Checks, expect: Expectation, at: Place, exchange: LiveExchange): void {
  const { upstream, response, paused, filterState } = expect;
  // Of a stream that hangs that is told already; what did not come would only repeat it.
  const arrived = (message: SeenMessage): boolean => exchange.ended || message.headers !== undefined;
  if (response !== undefined && arrived(exchange.response)) {
    checkResponse(checks, response, [...at, "response"], exchange);
  }
  if (upstream === "never") checkNever(checks, [...at, "upstream"], exchange.upstream);
  else if (upstream !== undefined && arrived(exchange.upstream)) {
    checkRequest(checks, upstream, [...at, "upstream"], exchange.upstream);
  }
  if (paused !== undefined) checkPaused(checks, paused, [...at, "paused"], exchange.paused);
  for (const [key, matcher] of Object.entries(filterState ?? {})) {
    const value = exchange.exchange.info.filterState.get(key);
    const bytes = value === undefined ? undefined : byteText(value.bytes);
    checks.value([...at, "filterState", key], `filter state ${key}`, matcher, bytes);
  }
}

/** Properties as a filter could read them when the stream is over. */
function checkProperties(
  checks: Checks,
  expected: NonNullable<Expectation["properties"]>,
  at: Place,
  { exchange, session }: { readonly exchange: LiveExchange; readonly session: Session },
): void {
  const plugin = session.plugins[0]?.config ?? pluginConfig();
  const { headers: requestHeaders } = exchange.upstream;
  const { headers: responseHeaders, trailers: responseTrailers } = exchange.response;
  const source = { stream: exchange.exchange.info, requestHeaders, responseHeaders, responseTrailers, plugin };
  for (const [path, matcher] of Object.entries(expected)) {
    const found = readProperty(source, utf8ByteString(path).replaceAll(".", "\0"));
    const text = typeof found === "number" ? undefined : propertyText(path, found);
    checks.value([...at, path], `property ${path}`, matcher, text);
  }
}

function checkPaused(checks: Checks, expected: readonly PausePlace[], at: Place, actual: readonly PausePlace[]): void {
  if (expected.join() === actual.join()) return;
  const words = (list: readonly PausePlace[]): string => (list.length === 0 ? "nowhere" : list.join(", "));
  checks.fail(at, `the stream stood still ${words(actual)}, expected ${words(expected)}`, {
    expected: words(expected),
    actual: words(actual),
    replacement: [...actual],
  });
}

function checkNever(checks: Checks, at: Place, upstream: SeenMessage): void {
  if (upstream.headers === undefined) return;
  const line = `${upstream.headers.get(":method") ?? ""} ${upstream.headers.get(":path") ?? ""}`;
  checks.fail(at, `the upstream got ${textOf(line)}, expected never`, {
    expected: "never",
    actual: textOf(line),
  });
}

/** Holds what the client got against what was expected. */
export function checkResponse(checks: Checks, expect: ResponseExpectation, at: Place, exchange: LiveExchange): void {
  const { response: came } = exchange;
  if (came.headers === undefined && expect.reset !== true) {
    const why = came.reset === undefined ? "" : ` (the stream was reset: ${came.reset})`;
    checks.fail(at, `no response came${why}`, { expected: "a response", actual: came.reset ?? "nothing" });
    return;
  }
  if (expect.reset !== undefined && expect.reset !== (came.reset !== undefined)) {
    const actual = came.reset === undefined ? "not reset" : `reset: ${came.reset}`;
    checks.fail([...at, "reset"], `the stream was ${actual}, expected ${expect.reset ? "a reset" : "no reset"}`, {
      expected: String(expect.reset),
      actual,
      replacement: came.reset !== undefined,
    });
  }
  if (expect.status !== undefined) {
    checks.value([...at, "status"], "status", expect.status, came.headers?.get(":status"));
  }
  checkMessage(checks, expect, at, came);
  if (expect.details !== undefined) {
    const details = exchange.exchange.info.responseCodeDetails;
    checks.value([...at, "details"], "details", expect.details, details);
  }
}

function checkRequest(checks: Checks, expect: RequestExpectation, at: Place, came: SeenMessage): void {
  if (came.headers === undefined) {
    checks.fail(at, "the upstream got no request", { expected: "a request", actual: "nothing", replacement: "never" });
    return;
  }
  for (const key of ["method", "path", "authority"] as const) {
    const matcher = expect[key];
    if (matcher !== undefined) checks.value([...at, key], `upstream ${key}`, matcher, came.headers.get(`:${key}`));
  }
  checkMessage(checks, expect, at, came);
}

/** Headers, body and trailers of a message. */
function checkMessage(
  checks: Checks,
  expect: Pick<RequestExpectation, "headers" | "body" | "trailers">,
  at: Place,
  came: SeenMessage,
): void {
  const side = at.at(-1) === "upstream" ? "upstream " : "";
  if (expect.headers !== undefined) checks.headers([...at, "headers"], `${side}header`, expect.headers, came.headers);
  if (expect.body !== undefined) checks.value([...at, "body"], `${side}body`, expect.body, bodyOf(came));
  if (expect.trailers !== undefined) {
    checks.headers([...at, "trailers"], `${side}trailer`, expect.trailers, came.trailers);
  }
}

function bodyOf(message: SeenMessage): string {
  return Buffer.concat(message.pieces).toString("latin1");
}

function byteText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function checkMetrics(
  checks: Checks,
  expected: NonNullable<Expectation["metrics"]>,
  at: Place,
  session: Session,
): void {
  const metrics = new Map(session.host.metrics.list().map((metric) => [metric.name, metric]));
  for (const [name, range] of Object.entries(expected)) {
    const actual = numberOf(metrics.get(name));
    const [least, most] = typeof range === "number" ? [range, range] : [range.atLeast, range.atMost];
    if (actual !== undefined && actual >= (least ?? actual) && actual <= (most ?? actual)) continue;
    const wanted = typeof range === "number" ? String(range) : rangeText(least, most);
    const shown = actual === undefined ? describeValue(undefined) : String(actual);
    checks.fail([...at, name], `metric ${name} is ${shown}, expected ${wanted}`, {
      expected: wanted,
      actual: shown,
      ...(actual === undefined ? {} : { replacement: actual }),
    });
  }
}

/** A histogram counts as the number of its samples. */
function numberOf(metric: MetricReading | undefined): number | undefined {
  if (metric === undefined) return undefined;
  return metric.type === "histogram" ? metric.count : Number(metric.value);
}

function rangeText(least: number | undefined, most: number | undefined): string {
  return [least === undefined ? "" : `at least ${least}`, most === undefined ? "" : `at most ${most}`]
    .filter((part) => part !== "")
    .join(" and ");
}
