import { request } from "node:http";
import { gunzipSync } from "node:zlib";

/** A whole answer, its body as the client hands it on: unpacked when the server said gzip. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Where to connect for a URL's host and port; undefined: nobody listens there, the connection is refused. */
export type Resolve = (host: string, port: number) => { readonly host: string; readonly port: number } | undefined;

/** No answer, or not all of one. */
export class HttpFailure extends Error {
  /** The status, when the header had come: the body was cut. */
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/**
 * One GET as Go's client does it: a connection of its own, gzip asked for and unpacked, up to ten redirects followed.
 * Throws {@link HttpFailure}.
 */
export async function httpGet(
  url: string,
  options: {
    readonly resolve: Resolve;
    readonly signal: AbortSignal;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<HttpAnswer> {
  let target = new URL(url);
  for (let hop = 0; hop <= 10; hop += 1) {
    const answer = await once(target, options);
    const location = answer.headers["location"];
    if (!REDIRECTS.has(answer.status) || typeof location !== "string") return answer;
    target = new URL(location, target);
  }
  throw new HttpFailure("stopped after 10 redirects");
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function once(target: URL, options: Parameters<typeof httpGet>[1]): Promise<HttpAnswer> {
  const { resolve, signal } = options;
  const place = resolve(target.hostname, target.port === "" ? 80 : Number(target.port));
  if (signal.aborted) return Promise.reject(new HttpFailure("no time left"));
  if (place === undefined) return Promise.reject(new HttpFailure(`${target.host}: connection refused`));
  const headers = {
    host: target.host,
    "user-agent": "Go-http-client/1.1",
    "accept-encoding": "gzip",
    ...options.headers,
  };
  return new Promise((accept, refuse) => {
    let status: number | undefined;
    const fail = (error: Error): void => refuse(new HttpFailure(error.message, status));
    const path = target.pathname + target.search;
    const outgoing = request({ ...place, path, headers, agent: false, signal }, (incoming) => {
      status = incoming.statusCode;
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", fail);
      incoming.on("end", () => {
        if (!incoming.complete) return fail(new Error("unexpected EOF"));
        const raw = Buffer.concat(chunks);
        try {
          const body = incoming.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
          accept({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    outgoing.on("error", fail);
    outgoing.end();
  });
}
