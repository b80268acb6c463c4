import { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import { grpcStatusOfHttp, percentEncode } from "./grpc-status.ts";

/** What decides the form of a local reply beside the reply itself: both are taken from the request as it came. */
export interface ReplyForm {
  readonly grpc: boolean;
  readonly head: boolean;
}

/** A local reply as headers and the body to send, if any. */
export interface ReplyMessage {
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
}

/** Puts a local reply into the form Envoy gives it: headers only for gRPC and HEAD, else with length and type of the body. */
export function replyMessage(reply: LocalReply, form: ReplyForm): ReplyMessage {
  const headers = new HeaderMap("response", [[":status", String(reply.status)], ...reply.headers]);
  headers.put(":status", String(reply.status));
  if (form.grpc) return { headers: grpcHeaders(headers, reply, form), body: NOTHING };
  if (reply.body.length === 0) {
    headers.remove("content-length");
    headers.remove("content-type");
    return { headers, body: NOTHING };
  }
  headers.put("content-length", String(reply.body.length));
  if (!headers.has("content-type")) headers.add("content-type", "text/plain");
  return { headers, body: form.head ? NOTHING : reply.body };
}

function grpcHeaders(headers: HeaderMap, reply: LocalReply, form: ReplyForm): HeaderMap {
  headers.put(":status", "200");
  headers.put("content-type", "application/grpc");
  if ((headers.get("grpc-status") ?? "") === "") {
    headers.put("grpc-status", String(reply.grpcStatus ?? grpcStatusOfHttp(reply.status)));
  }
  if (reply.body.length > 0 && !form.head) headers.put("grpc-message", percentEncode(reply.body));
  headers.remove("content-length");
  return headers;
}

const NOTHING = new Uint8Array(0);
