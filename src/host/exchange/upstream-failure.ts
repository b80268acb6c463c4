import type { LocalReply } from "../http-filter.ts";
import { ResponseFlag } from "./response-flags.ts";

/** How an upstream can fail, as the driver tells it. */
export type UpstreamFailure = "refused" | "reset" | "timeout" | "overflow";

/** What Envoy's router makes of an upstream that fails. */
export interface FailureAnswer {
  readonly flag: bigint;
  /** The answer when the response has not begun. */
  readonly reply: LocalReply;
  /** `response.code_details` when it has, and the stream is reset. */
  readonly resetDetails: string;
}

/** An answer that is no HTTP. */
export const PROTOCOL_ERROR: FailureAnswer = lost("protocol error", ResponseFlag.upstreamProtocolError, {
  status: 502,
});

/** The answer to each failure. */
export function failureAnswer(failure: UpstreamFailure): FailureAnswer {
  return ANSWERS[failure];
}

const ANSWERS: Readonly<Record<UpstreamFailure, FailureAnswer>> = {
  refused: lost("remote connection failure", ResponseFlag.upstreamConnectionFailure, {
    transport: "delayed connect error: Connection refused",
  }),
  reset: lost("connection termination", ResponseFlag.upstreamConnectionTermination),
  overflow: lost("overflow", ResponseFlag.upstreamOverflow, { headers: [["x-envoy-overloaded", "true"]] }),
  timeout: {
    flag: ResponseFlag.upstreamRequestTimeout,
    reply: reply(504, "upstream request timeout", "response_timeout"),
    resetDetails: "response_timeout",
  },
};

interface LossDetails {
  readonly status?: number;
  readonly transport?: string;
  readonly headers?: LocalReply["headers"];
}

function lost(reason: string, flag: bigint, more: LossDetails = {}): FailureAnswer {
  const transport = more.transport === undefined ? "" : `, transport failure reason: ${more.transport}`;
  const inDetails = [reason, ...(more.transport === undefined ? [] : [more.transport])];
  const details = `{${inDetails.join("|").replaceAll(" ", "_")}}`;
  const text = `upstream connect error or disconnect/reset before headers. reset reason: ${reason}${transport}`;
  return {
    flag,
    reply: reply(more.status ?? 503, text, `upstream_reset_before_response_started${details}`, more.headers),
    resetDetails: `upstream_reset_after_response_started${details}`,
  };
}

function reply(status: number, text: string, details: string, headers: LocalReply["headers"] = []): LocalReply {
  return { status, body: new TextEncoder().encode(text), headers, grpcStatus: undefined, details };
}
