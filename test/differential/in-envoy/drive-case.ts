import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry } from "../../../src/host/environment.ts";
import { LOG_LEVELS } from "../../../src/host/enums.ts";
import { Checks } from "../../../src/sandbox/test/checks.ts";
import { filterConfig } from "../../../src/sandbox/test/filter-config.ts";
import type { ReadBytes } from "../../../src/sandbox/test/matchers.ts";
import type { Expectation, LogExpectation } from "../../../src/sandbox/test/model-expect.ts";
import type { Exchange, Stream } from "../../../src/sandbox/test/model.ts";
import type { PlannedCase } from "../../../src/sandbox/test/planned-case.ts";
import type { Place } from "../../../src/sandbox/test/shape.ts";
import { fileReader } from "../../../src/sandbox/test/values.ts";
import { waitFor } from "../../components/wait.ts";
import { cluster, httpListener, pluginOf, tcpListener } from "../envoy/bootstrap.ts";
import { send } from "../envoy/client.ts";
import { startServer, type Upstream, unusedPort } from "../envoy/upstream.ts";
import type { SeenMessage } from "../exchange-lines.ts";
import type { UpstreamSpec } from "../scenario.ts";
import { type Callouts, isUnsendable } from "./callouts.ts";
import { type Connections, driveConnection, startConnections } from "./drive-connection.ts";
import type { TemplateEnvoy } from "./template-envoy.ts";
import { exchangesOf, isRejected } from "./template-cases.ts";
import { answerSpec, checkRequest, checkResponse, milliseconds, protocolOf, requestSpec } from "./wire.ts";

/** What cases of one template share. */
export interface CaseDesk {
  readonly envoy: TemplateEnvoy;
  readonly callouts: Callouts;
  /** The clusters of all cases, by name. */
  readonly clusters: Map<string, object>;
  /** How long something that must come may take. */
  readonly patienceMs: number;
}

/** An exchange that was begun. */
interface Begun {
  readonly path: string;
  readonly answer: UpstreamSpec;
  /** Among the requests that the upstream saw. */
  place?: number;
}

/** For what must not come. */
const QUIET_MS = 60;

/** One case of a template, with a listener, a VM and an upstream of its own in the real Envoy. */
export class EnvoyCase {
  readonly name: string;
  readonly planned: PlannedCase;
  readonly #desk: CaseDesk;
  readonly #readBytes: ReadBytes;
  readonly #at: Place;
  readonly #protocol: "http1" | "http2";
  #waiting: Begun[] = [];
  #upstream: Upstream | undefined;
  #connections: Connections | undefined;
  #metrics: ReadonlyMap<string, number> = new Map();
  #failures: string[] = [];

  constructor(name: string, planned: PlannedCase, desk: CaseDesk) {
    this.name = name;
    this.planned = planned;
    this.#desk = desk;
    this.#readBytes = fileReader(planned.folder);
    this.#at = ["tests", planned.index];
    this.#protocol = exchangesOf(planned.test).some((one) => protocolOf(one) === "http2") ? "http2" : "http1";
  }

  /** Starts the upstream and enters its cluster. */
  async prepare(): Promise<void> {
    if (this.planned.test.connection !== undefined) {
      this.#connections = await startConnections();
    } else {
      this.#upstream = await startServer(this.#protocol, ({ start }, place) => this.#answer(start, place));
    }
    this.#enter((this.#connections ?? this.#upstream)?.port ?? 0);
  }

  #enter(port: number): void {
    this.#desk.clusters.set(this.name, cluster(this.name, port, this.#protocol === "http2"));
  }

  /** The listener for Envoy. */
  listener(): object {
    const [filter] = this.planned.filters;
    if (filter === undefined) throw new Error(`${this.planned.name} has no filter`);
    const { name, rootId, configuration } = filterConfig(filter, { readBytes: this.#readBytes, name: "filter" });
    const script = Buffer.from(configuration).toString("utf8");
    const placed = [{ name, config: pluginOf(this.name, { name, rootId, script, module: "template" }) }];
    const { properties = {} } = this.planned.given;
    if (this.planned.test.connection !== undefined) {
      return tcpListener(this.name, placed, { proxyProtocol: properties["source.address"] !== undefined });
    }
    const states = exchangesOf(this.planned.test).flatMap(({ expect }) => Object.keys(expect?.filterState ?? {}));
    if (states.length === 0) return httpListener(this.name, placed);
    const fields = states.map((state) => `${state}=%FILTER_STATE(${state}:PLAIN)%`);
    return httpListener(this.name, placed, { accessLog: `access ${this.name} ${fields.join(" ")}` });
  }

  /** Does what the case says, and returns what was not as it should be. */
  async run(): Promise<readonly string[]> {
    const { envoy, callouts } = this.#desk;
    const { test } = this.planned;
    callouts.reset();
    const port = envoy.port(this.name);
    if (isRejected(this.planned)) {
      if (port !== undefined) this.#failures.push("Envoy took the configuration, which must be rejected");
      await this.#check(test.expect ?? {}, { at: [...this.#at, "expect"], from: 0 });
      return this.#failures;
    }
    if (port === undefined)
      return [
        `Envoy refused the listener: ${this.#log()
          .map(({ text }) => text)
          .join("; ")}`,
      ];
    this.#metrics = await envoy.metrics();
    await this.#act(port);
    await envoy.idle(this.name);
    return this.#failures;
  }

  async #act(port: number): Promise<void> {
    const { test, given } = this.planned;
    if (test.request !== undefined) return this.#exchange(test, port, this.#at);
    for (const [index, step] of (test.steps ?? []).entries()) {
      const at = [...this.#at, "steps", index];
      if (step.request !== undefined) await this.#exchange(step, port, at);
      else {
        const from = this.#log().length;
        await sleep(Math.min(3000, milliseconds(step.advance)));
        await this.#check(step.expect ?? {}, { at: [...at, "expect"], from });
      }
    }
    if (test.streams !== undefined) await this.#streams(test.streams, port);
    if (test.connection !== undefined && this.#connections !== undefined) {
      const { connection } = test;
      const facts = { port, given, connections: this.#connections, readBytes: this.#readBytes };
      const checks = await driveConnection(connection, [...this.#at, "connection"], facts);
      this.#failures.push(...checks.failures.map(({ message }) => message));
    }
    await this.#check(test.expect ?? {}, { at: [...this.#at, "expect"], from: 0 });
  }

  async #exchange(spec: Exchange, port: number, at: Place): Promise<void> {
    const from = this.#log().length;
    this.#desk.callouts.announce(spec.callouts, [...at, "callouts"], this.#readBytes);
    const restore = await this.#failEnvoy(spec);
    const { begun, answer } = this.#begin(spec, port);
    const response = await answer;
    await this.#check(spec.expect ?? {}, { at: [...at, "expect"], from, begun, response });
    await restore();
  }

  async #streams(streams: readonly Stream[], port: number): Promise<void> {
    const all = streams.map(async (stream, index) => {
      const at = [...this.#at, "streams", index];
      this.#desk.callouts.announce(stream.callouts, [...at, "callouts"], this.#readBytes);
      await sleep(milliseconds(stream.at));
      const { begun, answer } = this.#begin(stream, port);
      return { stream, at, begun, response: await answer };
    });
    for (const { stream, at, begun, response } of await Promise.all(all)) {
      await this.#check(stream.expect ?? {}, { at: [...at, "expect"], from: 0, begun, response });
    }
  }

  #begin(spec: Exchange, port: number): { readonly begun: Begun; readonly answer: Promise<SeenMessage> } {
    const source = this.planned.given.properties?.["source.address"];
    const address = typeof source === "string" ? source.replace(/:\d+$/, "").replace(/[[\]]/g, "") : undefined;
    const request = requestSpec(spec, address, this.#readBytes);
    const answer = answerSpec(spec.upstream, this.#protocol, this.#readBytes);
    const begun: Begun = { path: request.path ?? "/", answer };
    this.#waiting.push(begun);
    const { abort } = spec.request ?? {};
    const made = this.#desk.callouts.made;
    // Not sooner than the filter has its part.
    const hangUp = async (): Promise<void> => {
      const arrived = (): true | undefined =>
        begun.place !== undefined || this.#desk.callouts.made > made ? true : undefined;
      await waitFor("the request to arrive", arrived, { everyMs: 2 });
      await sleep(milliseconds(abort));
    };
    return { begun, answer: send(port, request, abort === undefined ? undefined : hangUp()) };
  }

  /** Chooses what the upstream answers: to the path it was asked for, else in turn. */
  #answer(start: string, place: number): UpstreamSpec {
    const path = start.slice(start.indexOf(" ") + 1);
    const chosen = this.#waiting.find((one) => one.path === path) ?? this.#waiting[0];
    if (chosen === undefined) {
      this.#failures.push(`the upstream got ${start}, which nobody sent`);
      return { status: 500, body: [], withLength: true };
    }
    this.#waiting = this.#waiting.filter((one) => one !== chosen);
    chosen.place = place;
    return chosen.answer;
  }

  /** Lets the clusters of an exchange fail where Envoy shall not reach them; returns how it is put right again. */
  async #failEnvoy({ upstream, callouts = [] }: Exchange): Promise<() => Promise<void>> {
    const refused = upstream?.fail === "refused";
    const unsendable = callouts.filter(isUnsendable);
    if (!refused && unsendable.length === 0) return () => Promise.resolve();
    const { clusters, envoy } = this.#desk;
    const before = new Map(clusters);
    if (refused) this.#enter(await unusedPort());
    for (const { to, answer } of unsendable) {
      if (answer?.fail === "unknown-cluster") clusters.delete(to);
      else clusters.set(to, { name: to, type: "STATIC", load_assignment: { cluster_name: to } });
    }
    await useClusters(envoy, clusters);
    return async () => {
      clusters.clear();
      for (const [name, value] of before) clusters.set(name, value);
      await useClusters(envoy, clusters);
    };
  }

  #log(): readonly LogEntry[] {
    return this.#desk.envoy.log(this.name).map(({ level, text }) => {
      const name = level === "warning" ? "warn" : level;
      const known = LOG_LEVELS.find((one) => one === name) ?? "critical";
      return { level: known, text, source: "log", plugin: undefined, contextId: undefined, stream: true };
    });
  }

  /** Looks again and again until all is as expected, or patience ends. */
  async #check(expect: Expectation, came: Came): Promise<void> {
    const absent = expect.log?.some((line) => line.absent === true) ?? false;
    if (absent || expect.upstream === "never") await sleep(QUIET_MS);
    const end = performance.now() + this.#desk.patienceMs;
    for (;;) {
      const checks = await this.#look(expect, came);
      if (checks.failures.length === 0) return;
      if (performance.now() > end) {
        this.#failures.push(...checks.failures.map(({ path, message }) => `${path}: ${message}`));
        return;
      }
      await sleep(20);
    }
  }

  async #look(expect: Expectation, { at, from, begun, response }: Came): Promise<Checks> {
    const checks = new Checks(this.#readBytes);
    const here = (key: string): Place => [...at, key];
    if (expect.response !== undefined && response !== undefined) {
      checkResponse(checks, expect.response, here("response"), response);
    }
    if (expect.upstream !== undefined && begun !== undefined) {
      const seen = begun.place === undefined ? undefined : this.#upstream?.seen()[begun.place];
      checkRequest(checks, expect.upstream, here("upstream"), seen);
    }
    if (expect.log !== undefined) {
      checks.log(here("log"), expect.log.map(anySource), inTime(this.#log().slice(from), expect.log));
    }
    if (expect.metrics !== undefined) await this.#checkMetrics(checks, expect.metrics, here("metrics"));
    if (expect.filterState !== undefined) this.#checkStates(checks, expect.filterState, here("filterState"));
    this.#desk.callouts.check(checks, at);
    return checks;
  }

  async #checkMetrics(checks: Checks, expected: NonNullable<Expectation["metrics"]>, at: Place): Promise<void> {
    const now = await this.#desk.envoy.metrics();
    for (const [name, range] of Object.entries(expected)) {
      const value = now.get(name);
      const [least, most] = typeof range === "number" ? [range, range] : [range.atLeast ?? 0, range.atMost ?? Infinity];
      const actual = value === undefined ? undefined : value - (this.#metrics.get(name) ?? 0);
      if (actual !== undefined && actual >= least && actual <= most) continue;
      checks.fail([...at, name], `metric ${name} is ${actual}, expected ${JSON.stringify(range)}`);
    }
  }

  /** The access log has the filter state of the stream. */
  #checkStates(checks: Checks, expected: NonNullable<Expectation["filterState"]>, at: Place): void {
    const line = new RegExp(`^access ${this.name} (.*)$`, "m").exec(this.#desk.envoy.output())?.[1];
    for (const [name, matcher] of Object.entries(expected)) {
      const found = line?.split(" ").find((field) => field.startsWith(`${name}=`));
      checks.value([...at, name], `filter state ${name}`, matcher, found?.slice(name.length + 1));
    }
  }

  close(): void {
    this.#upstream?.close();
    this.#connections?.close();
  }
}

/** What came of an exchange, or of a case without one; `from` counts the lines logged before. */
interface Came {
  readonly at: Place;
  readonly from: number;
  readonly begun?: Begun;
  readonly response?: SeenMessage;
}

/** Workers are told of clusters after the main thread. */
const CLUSTERS_KNOWN_MS = 100;

async function useClusters(envoy: TemplateEnvoy, clusters: ReadonlyMap<string, object>): Promise<void> {
  await envoy.setClusters([...clusters.values()]);
  await sleep(CLUSTERS_KNOWN_MS);
}

/** Envoy's log does not tell how a line was written. */
function anySource(line: LogExpectation): LogExpectation {
  return { ...line, source: "log" };
}

/** Lines as if no more time had passed than expected: really it takes a little longer, never less. */
function inTime(lines: readonly LogEntry[], expected: readonly LogExpectation[]): readonly LogEntry[] {
  const written = expected.map(({ text, contains }) => /"duration_ms":(\d+)/.exec(String(text ?? contains))?.[1]);
  const least = written.find((time) => time !== undefined);
  if (least === undefined) return lines;
  const shown = (whole: string, time: string): string =>
    Number(time) >= Number(least) - 2 ? `"duration_ms":${least}` : whole;
  return lines.map((line) => ({ ...line, text: line.text.replace(/"duration_ms":(\d+)/, shown) }));
}
