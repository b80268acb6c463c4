import type { CalloutPort, CalloutStart, GrpcCallout, GrpcHandle, HttpCallout } from "../../../src/host/callout.ts";
import { HeaderMap } from "../../../src/host/header-map.ts";
import { calloutAnswer, grpcAnswer } from "../callout-answers.ts";
import type { Headers } from "../scenario.ts";
import { latin1Bytes, latin1Text } from "./bytes.ts";

/** Something that does things later: virtual time, or the real one. */
export interface Later {
  after(milliseconds: number, action: () => void): void;
}

/** The clusters of the differential test, as its servers answer. */
export function calloutPort(simulation: Later): CalloutPort {
  return {
    http: (call) => startHttp(simulation, call),
    grpc: (call) => {
      const start = clusterOf(call.cluster);
      return start === "sent" ? startGrpc(simulation, call) : start;
    },
  };
}

function clusterOf(name: string): CalloutStart {
  if (name === "unserved") return "no-endpoint";
  return ["callout", "grpc", "refused"].includes(name) ? "sent" : "unknown-cluster";
}

function startHttp(simulation: Later, call: HttpCallout): CalloutStart {
  const start = clusterOf(call.cluster);
  if (start !== "sent") return start;
  if (call.cluster === "refused") {
    simulation.after(ROUND_TRIP_MS, () => call.fail("refused"));
    return "sent";
  }
  const answer = calloutAnswer([...call.headers], latin1Text(call.body), [...(call.trailers ?? [])]);
  const took = ROUND_TRIP_MS + answer.afterMs;
  if (call.timeoutMs > 0 && took > call.timeoutMs) simulation.after(call.timeoutMs, () => call.fail("timeout"));
  else if (answer.reset) simulation.after(took, () => call.fail("remote-reset"));
  else {
    simulation.after(took, () =>
      call.answer({
        headers: new HeaderMap("response", answer.headers),
        body: latin1Bytes(answer.body),
        trailers: answer.trailers === undefined ? undefined : new HeaderMap("trailers", answer.trailers),
      }),
    );
  }
  return "sent";
}

function startGrpc(simulation: Later, call: GrpcCallout): GrpcHandle {
  let open = true;
  const later = (action: () => void): void =>
    simulation.after(ROUND_TRIP_MS, () => {
      if (open) action();
    });
  if (call.cluster === "refused") later(() => call.fail("refused"));
  else answerGrpc(call, later);
  const handle = grpcHandles.get(call);
  return {
    send: (message, endStream) => handle?.(message, endStream),
    close: () => handle?.(undefined, true),
    cancel: () => {
      open = false;
    },
  };
}

/** Takes what the guest sends on a stream. */
const grpcHandles = new WeakMap<GrpcCallout, (message: Uint8Array | undefined, endStream: boolean) => void>();

function answerGrpc(call: GrpcCallout, later: (action: () => void) => void): void {
  const answer = grpcAnswer(`/${call.service}/${call.method}`);
  const headers: Headers = [[":status", "200"], ["content-type", "application/grpc"], ...answer.initial];
  const trailers: Headers = [
    ["grpc-status", String(answer.status)],
    ["grpc-message", answer.message],
    ...answer.trailing,
  ];
  let closed = false;
  const finish = (): void => {
    if (closed) return;
    closed = true;
    later(() => call.trailingMetadataReceived(new HeaderMap("trailers", trailers)));
    later(() => call.closed(answer.status, answer.message));
  };
  const take = (message: Uint8Array | undefined, endStream: boolean): void => {
    const replies = message === undefined ? [] : answer.replies(latin1Text(message));
    for (const reply of replies) later(() => call.received(latin1Bytes(reply)));
    if (endStream) finish();
  };
  later(() => call.initialMetadataReceived(new HeaderMap("response", headers)));
  if (answer.closeAtOnce) finish();
  else if (call.unary !== undefined) take(call.unary.message, true);
  grpcHandles.set(call, take);
}

const ROUND_TRIP_MS = 2;
