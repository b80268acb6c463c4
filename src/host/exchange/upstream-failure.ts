import type { LocalReply } from "../http-filter.ts";
import { ResponseFlag } from "./response-flags.ts";

/**
 * How an upstream can fail, as the driver tells it: nothing listens, the connection broke, the time is over, too much waits
 * for it, an HTTP/2 server reset the stream, or it spoke no HTTP.
 */
export type UpstreamFailure = "refused" | "reset" | "timeout" | "overflow" | "remote-reset" | "protocol";

/** What Envoy's router makes of a failure: a local reply, which can only break the stream off once headers went out. */
export interface FailureAnswer {
  readonly flag: bigint;
  readonly reply: LocalReply;
}

/**
 * The answer to a failure.
 *
 * @param answered whether the response had begun; a connection that breaks in the middle of one is a protocol error
 */
export function failureAnswer(failure: UpstreamFailure, answered: boolean): FailureAnswer {
  if (failure === "timeout") {
    return {
      flag: ResponseFlag.upstreamRequestTimeout,
      reply: reply(504, "upstream request timeout", "response_timeout"),
    };
  }
  const loss = LOSSES[answered && failure === "reset" ? "protocol" : failure];
  const text = `upstream connect error or disconnect/reset before headers. reset reason: ${loss.reason}`;
  const transport = loss.transport === undefined ? "" : `|${loss.transport}`;
  const begun = answered ? "upstream_reset_after_response_started" : "upstream_reset_before_response_started";
  const details = `${begun}{${loss.reason}${transport}}`.replaceAll(" ", "_");
  return { flag: loss.flag, reply: { ...reply(loss.status ?? 503, text, details), headers: loss.headers ?? [] } };
}

interface Loss {
  readonly reason: string;
  readonly flag: bigint;
  readonly status?: number;
  readonly transport?: string;
  readonly headers?: LocalReply["headers"];
}

const LOSSES: Readonly<Record<Exclude<UpstreamFailure, "timeout">, Loss>> = {
  refused: {
    reason: "remote connection failure",
    flag: ResponseFlag.upstreamConnectionFailure,
    transport: "delayed connect error: Connection refused",
  },
  reset: { reason: "connection termination", flag: ResponseFlag.upstreamConnectionTermination },
  overflow: {
    reason: "overflow",
    flag: ResponseFlag.upstreamOverflow,
    headers: [["x-envoy-overloaded", "true"]],
  },
  "remote-reset": { reason: "remote reset", flag: ResponseFlag.upstreamRemoteReset },
  protocol: { reason: "protocol error", flag: ResponseFlag.upstreamProtocolError, status: 502 },
};

function reply(status: number, text: string, details: string): LocalReply {
  return { status, body: new TextEncoder().encode(text), headers: [], grpcStatus: undefined, details };
}
