import type { Headers } from "./scenario.ts";

/** What the server behind the cluster `callout` answers. */
export interface CalloutAnswer {
  /** `:status` first. */
  readonly headers: Headers;
  readonly body: string;
  readonly trailers: Headers | undefined;
  readonly afterMs: number;
  /** No answer: the stream is reset. */
  readonly reset: boolean;
}

/** By the path: `/echo` tells what came, `/slow` takes 300 ms, `/trailers`, `/reset`, `/status/418`, `/empty`. */
export function calloutAnswer(headers: Headers, body: string, trailers: Headers): CalloutAnswer {
  const path = headers.find(([name]) => name === ":path")?.[1] ?? "";
  const status = /^\/status\/(\d+)$/.exec(path)?.[1] ?? "200";
  const told = [...headers.map(pairText).toSorted(), `body=${body}`, ...trailers.map(pairText)].join("|");
  const text = path === "/echo" ? told : path === "/empty" ? "" : `answer to ${path}`;
  return {
    headers: [
      [":status", status],
      ["x-from", "callout"],
    ],
    body: text,
    trailers: path === "/trailers" ? [["x-end", "trailer"]] : undefined,
    afterMs: path === "/slow" ? 300 : 0,
    reset: path === "/reset",
  };
}

function pairText([name, value]: readonly [string, string]): string {
  return `${name}=${value}`;
}

/** What the gRPC service does when a method is called. */
export interface GrpcAnswer {
  readonly initial: Headers;
  readonly trailing: Headers;
  readonly status: number;
  readonly message: string;
  /** Ends without waiting for messages. */
  readonly closeAtOnce: boolean;
  replies(message: string): readonly string[];
}

/** By the method's name: `Echo`, `Twice` (two answers a message), `Fail` (status 7), `Bye` (status 0 with a message). */
export function grpcAnswer(path: string): GrpcAnswer {
  const method = path.split("/")[2] ?? "";
  return {
    initial: [["x-initial", method]],
    trailing: [["x-trailing", method]],
    status: method === "Fail" ? 7 : 0,
    message: method === "Fail" ? "not you" : method === "Bye" ? "bye" : "",
    closeAtOnce: method === "Fail",
    replies: (message) => (method === "Twice" ? [`one ${message}`, `two ${message}`] : [`got ${message}`]),
  };
}
