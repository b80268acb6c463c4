import type { Checks } from "../../../src/sandbox/test/checks.ts";
import type { ReadBytes } from "../../../src/sandbox/test/matchers.ts";
import type { Callout } from "../../../src/sandbox/test/model.ts";
import type { Place } from "../../../src/sandbox/test/shape.ts";
import { startServer, type Upstream } from "../envoy/upstream.ts";
import type { UpstreamSpec } from "../scenario.ts";
import { answerSpec, checkRequest, milliseconds } from "./wire.ts";

/** A callout that a filter must make, and where it was made. */
interface Announced {
  readonly callout: Callout;
  readonly at: Place;
  readonly answer: UpstreamSpec;
  place?: number;
}

/** The services behind the clusters that filters call: they answer as the test that is run has announced it. */
export class Callouts {
  readonly #servers = new Map<string, Upstream>();
  #announced: Announced[] = [];
  #surprises: string[] = [];

  /** Starts a server for each cluster. */
  async start(clusters: readonly string[]): Promise<void> {
    for (const to of clusters) {
      const server = await startServer("http1", (request, place) => this.#answer(to, request, place));
      this.#servers.set(to, server);
    }
  }

  /** Ports by the cluster's name. */
  get ports(): ReadonlyMap<string, number> {
    return new Map([...this.#servers].map(([name, { port }]) => [name, port]));
  }

  /** Forgets the test before. */
  reset(): void {
    this.#announced = [];
    this.#surprises = [];
  }

  /** From now on these must be made; those that Envoy itself fails reach no server. */
  announce(callouts: readonly Callout[] | undefined, at: Place, readBytes: ReadBytes): void {
    for (const [index, callout] of (callouts ?? []).entries()) {
      if (isUnsendable(callout)) continue;
      if (callout.grpc !== undefined) throw new Error("calls by gRPC are not answered here");
      const entry = { callout, at: [...at, index], answer: answerSpec(callout.answer, "http1", readBytes) };
      for (let times = callout.times ?? 1; times > 0; times -= 1) this.#announced.push({ ...entry });
    }
  }

  /** How many were made. */
  get made(): number {
    return this.#announced.filter(({ place }) => place !== undefined).length + this.#surprises.length;
  }

  /** Holds those that were made against what was announced. */
  check(checks: Checks, at: Place): void {
    for (const surprise of this.#surprises) checks.fail(at, surprise);
    for (const { callout, at: here, place } of this.#announced) {
      const seen = place === undefined ? undefined : this.#servers.get(callout.to)?.seen()[place];
      if (seen === undefined) {
        checks.fail(here, `the filter did not call ${callout.to}`);
        continue;
      }
      const { timeout, ...expect } = callout.expect ?? {};
      checkRequest(checks, expect, [...here, "expect"], seen);
      if (timeout === undefined) continue;
      const told = seen.headers.find(([name]) => name.toLowerCase() === "x-envoy-expected-rq-timeout-ms")?.[1];
      checks.value([...here, "expect", "timeout"], "timeout in ms", milliseconds(timeout), told);
    }
  }

  close(): void {
    for (const server of this.#servers.values()) server.close();
  }

  #answer(to: string, request: Head, place: number): UpstreamSpec {
    const waiting = this.#announced.filter((entry) => entry.callout.to === to && entry.place === undefined);
    const chosen = waiting.find(({ callout }) => fits(callout, request)) ?? waiting[0];
    if (chosen === undefined) {
      this.#surprises.push(`the filter called ${to} (${request.start}), which no test announced`);
      return { status: 500, body: [], withLength: true };
    }
    chosen.place = place;
    return chosen.answer;
  }
}

/** Whether Envoy cannot send it at all. */
export function isUnsendable({ answer }: Callout): boolean {
  return answer?.fail === "unknown-cluster" || answer?.fail === "no-endpoint";
}

interface Head {
  readonly start: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** Of several at the same time: the one whose plain headers are those of the request. */
function fits({ expect }: Callout, { headers }: Head): boolean {
  return Object.entries(expect?.headers ?? {}).every(
    ([name, matcher]) =>
      typeof matcher === "object" || headers.some(([key, value]) => key === name && value === String(matcher)),
  );
}
