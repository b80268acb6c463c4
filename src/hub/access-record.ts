import type { IncomingMessage, ServerResponse } from "node:http";

/** One answered request, as an access log has it; holds no secret. */
export interface AccessRecord {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  /** Bytes of the answer, headers included. */
  readonly sent: number;
  /** Milliseconds from the first header to the end of the answer. */
  readonly ms: number;
  /** Address of the client. */
  readonly remote: string;
  readonly user: string | undefined;
  /** True when the client left, or was cut off, before the end of the answer. */
  readonly broken: boolean;
}

/** Calls `onEnd` with the record when the answer has been sent, or cannot be. */
export function recordAccess(
  request: IncomingMessage,
  response: ServerResponse,
  onEnd: (record: AccessRecord) => void,
): (user: string | undefined) => void {
  const started = performance.now();
  const { socket, method = "", url = "" } = request;
  const before = socket.bytesWritten;
  const remote = socket.remoteAddress ?? "";
  let user: string | undefined;
  response.once("close", () => {
    onEnd({
      method,
      path: url.split("?", 1)[0] ?? "",
      status: response.statusCode,
      sent: socket.bytesWritten - before,
      ms: Math.round((performance.now() - started) * 10) / 10,
      remote,
      user,
      broken: !response.writableFinished,
    });
  });
  return (name) => {
    user = name;
  };
}
