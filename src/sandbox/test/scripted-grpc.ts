import type { GrpcCallout, GrpcHandle } from "../../host/callout.ts";
import { HeaderMap } from "../../host/header-map.ts";
import type { CalloutExpectation } from "./model-expect.ts";
import type { GrpcAnswer } from "./model.ts";
import type { CalloutSetting } from "./callout-setting.ts";
import { contentBytes, headerPairs, nanoseconds } from "./values.ts";

/** Beside what all callouts need: what is expected of the messages sent. */
export interface GrpcSetting extends CalloutSetting {
  readonly expect: CalloutExpectation | undefined;
}

/** Answers one gRPC call or stream: everything at one moment, in gRPC's order. */
export function answerGrpc(call: GrpcCallout, answer: GrpcAnswer, setting: GrpcSetting): GrpcHandle {
  const { time, readBytes, checks, expect, at } = setting;
  const sent: string[] = [];
  let over = false;
  const check = (): void => {
    if (over) return;
    over = true;
    if (expect?.messages !== undefined) {
      checks.list([...at, "messages"], `gRPC callout to ${call.cluster}: messages`, expect.messages, sent);
    }
  };
  const end = (status: number, message: string): void => {
    check();
    call.closed(status, message);
  };
  const deliver = (): void => {
    if (over) return;
    const { initialMetadata, messages = [], trailingMetadata, message = "" } = answer;
    if (initialMetadata !== undefined || call.unary === undefined) {
      call.initialMetadataReceived(new HeaderMap("response", headerPairs(initialMetadata)));
    }
    for (const one of messages) call.received(contentBytes(one, readBytes));
    const status = answer.status ?? (call.unary === undefined ? undefined : 0);
    if (status === undefined) return;
    if (trailingMetadata !== undefined || call.unary === undefined) {
      call.trailingMetadataReceived(new HeaderMap("trailers", headerPairs(trailingMetadata)));
    }
    end(status, message);
  };
  const limit = BigInt(Math.round((call.unary?.timeoutMs ?? 0) * 1e6));
  const delay = nanoseconds(answer.after);
  const cancel =
    limit > 0n && delay >= limit ? time.after(limit, () => end(DEADLINE_EXCEEDED, "")) : time.after(delay, deliver);
  return {
    send: (message) => void sent.push(Buffer.from(message).toString("latin1")),
    close: check,
    cancel: () => {
      cancel();
      check();
    },
  };
}

const DEADLINE_EXCEEDED = 4;
