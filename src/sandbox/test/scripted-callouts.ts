import type { CalloutPort, CalloutStart, GrpcCallout, GrpcHandle, HttpCallout } from "../../host/callout.ts";
import { HeaderMap } from "../../host/header-map.ts";
import type { CalloutSetting } from "./callout-setting.ts";
import type { CalloutExpectation } from "./model-expect.ts";
import type { Callout, CalloutAnswer, GrpcAnswer } from "./model.ts";
import { answerGrpc } from "./scripted-grpc.ts";
import type { Place } from "./shape.ts";
import { contentBytes, formatNanoseconds, headerPairs, nanoseconds } from "./values.ts";

interface Announced {
  readonly callout: Callout;
  readonly at: Place;
  left: number;
}

/** Answers callouts as a test says, in virtual time, and holds them against what was announced. */
export class ScriptedCallouts implements CalloutPort {
  readonly #setting: CalloutSetting;
  readonly #lists: Announced[][] = [];
  readonly #cancel = new Map<HttpCallout, () => void>();

  constructor(setting: CalloutSetting) {
    this.#setting = setting;
  }

  /** Expects these, in order. Several lists are independent of one another. */
  announce(callouts: readonly Callout[] | undefined, at: Place): void {
    if (callouts === undefined || callouts.length === 0) return;
    this.#lists.push(callouts.map((callout, place) => ({ callout, at: [...at, place], left: callout.times ?? 1 })));
  }

  http(call: HttpCallout): CalloutStart {
    const found = this.#take(call.cluster, "callout");
    if (found === undefined) return "unknown-cluster";
    const { callout, at } = found;
    const answer = callout.answer ?? {};
    this.#checkHttp(callout.expect, call, [...at, "expect"]);
    if (callout.grpc !== undefined) {
      this.#setting.checks.fail(at, `the callout to ${call.cluster} is HTTP, expected gRPC`);
    }
    if (answer.fail === "unknown-cluster" || answer.fail === "no-endpoint") return answer.fail;
    this.#answer(call, answer);
    return "sent";
  }

  cancelHttp(call: HttpCallout): void {
    this.#cancel.get(call)?.();
    this.#cancel.delete(call);
  }

  grpc(call: GrpcCallout): GrpcHandle | Exclude<CalloutStart, "sent"> {
    const found = this.#take(call.cluster, "gRPC callout");
    if (found === undefined) return "unknown-cluster";
    const { callout, at } = found;
    const answer: GrpcAnswer = callout.grpc ?? { status: 0 };
    this.#checkGrpc(callout.expect, call, [...at, "expect"]);
    if (answer.fail !== undefined) return answer.fail;
    return answerGrpc(call, answer, { ...this.#setting, expect: callout.expect, at: [...at, "expect"] });
  }

  /** Tells the callouts that were announced and not made; they are expected no longer. */
  finish(): void {
    for (const list of this.#lists.splice(0)) {
      for (const { callout, at, left } of list) {
        const times = (callout.times ?? 1) > 1 ? ` (${left} of ${callout.times} left)` : "";
        this.#setting.checks.fail(at, `the callout to ${callout.to} was not made${times}`);
      }
    }
  }

  #take(cluster: string, what: string): Announced | undefined {
    const list = this.#lists.find(([head]) => head?.callout.to === cluster);
    const head = list?.[0];
    if (list === undefined || head === undefined) {
      const next = this.#lists.find(([first]) => first !== undefined)?.[0];
      const expected = next === undefined ? "none is announced" : `the next one announced is to ${next.callout.to}`;
      this.#setting.checks.fail(
        next?.at ?? [...this.#setting.at, "callouts"],
        `${what} to ${cluster}, but ${expected}`,
      );
      return undefined;
    }
    head.left -= 1;
    if (head.left === 0) list.shift();
    return head;
  }

  #checkHttp(expect: CalloutExpectation | undefined, call: HttpCallout, at: Place): void {
    if (expect === undefined) return;
    const { checks } = this.#setting;
    const what = `callout to ${call.cluster}:`;
    for (const key of ["method", "path", "authority"] as const) {
      const matcher = expect[key];
      if (matcher !== undefined) checks.value([...at, key], `${what} ${key}`, matcher, call.headers.get(`:${key}`));
    }
    if (expect.headers !== undefined) {
      checks.headers([...at, "headers"], `${what} header`, expect.headers, call.headers);
    }
    if (expect.trailers !== undefined) {
      checks.headers([...at, "trailers"], `${what} trailer`, expect.trailers, call.trailers);
    }
    if (expect.body !== undefined) {
      const body = Buffer.from(call.body).toString("latin1");
      checks.value([...at, "body"], `${what} body`, expect.body, body);
    }
    this.#checkTimeout(expect, call.timeoutMs, at);
  }

  #checkGrpc(expect: CalloutExpectation | undefined, call: GrpcCallout, at: Place): void {
    if (expect === undefined) return;
    const { checks } = this.#setting;
    const what = `gRPC callout to ${call.cluster}:`;
    const { service, method, message, metadata } = expect;
    if (service !== undefined) checks.value([...at, "service"], `${what} service`, service, call.service);
    if (method !== undefined) checks.value([...at, "method"], `${what} method`, method, call.method);
    if (metadata !== undefined) {
      checks.headers([...at, "metadata"], `${what} metadata`, metadata, call.initialMetadata);
    }
    if (message !== undefined) {
      const sent = call.unary === undefined ? undefined : Buffer.from(call.unary.message).toString("latin1");
      checks.value([...at, "message"], `${what} message`, message, sent);
    }
    if (call.unary !== undefined) this.#checkTimeout(expect, call.unary.timeoutMs, at);
  }

  #checkTimeout({ timeout }: CalloutExpectation, ms: number, at: Place): void {
    const actual = BigInt(Math.round(ms * 1e6));
    if (timeout === undefined || nanoseconds(timeout) === actual) return;
    this.#setting.checks.fail(
      [...at, "timeout"],
      `the time limit is ${formatNanoseconds(actual)}, expected ${timeout}`,
      { expected: String(timeout), actual: formatNanoseconds(actual), replacement: formatNanoseconds(actual) },
    );
  }

  #answer(call: HttpCallout, answer: CalloutAnswer): void {
    const { time, readBytes } = this.#setting;
    const limit = BigInt(Math.round(call.timeoutMs * 1e6));
    const delay = nanoseconds(answer.after);
    const late = limit > 0n && (delay >= limit || answer.fail === "timeout");
    if (late) {
      this.#cancel.set(
        call,
        time.after(limit, () => call.fail("timeout")),
      );
      return;
    }
    if (answer.fail === "timeout") return;
    const deliver = (): void => {
      if (answer.fail === "reset") return call.fail("reset");
      const headers = new HeaderMap("response", [[":status", String(answer.status ?? 200)]]);
      for (const [name, value] of headerPairs(answer.headers)) headers.add(name, value);
      const body = answer.body === undefined ? new Uint8Array(0) : contentBytes(answer.body, readBytes);
      const trailers =
        answer.trailers === undefined ? undefined : new HeaderMap("trailers", headerPairs(answer.trailers));
      call.answer({ headers, body, trailers });
    };
    this.#cancel.set(call, time.after(delay, deliver));
  }
}
