import { HeaderMap, lowerAscii } from "../../host/header-map.ts";
import { utf8ByteString } from "../../host/byte-string.ts";
import type { Answer, Request } from "./model.ts";
import { headerPairs } from "./values.ts";

type Pieces = readonly { readonly bytes: Uint8Array }[];

/** The request id of every test that gives none. */
const REQUEST_ID = "00000000-0000-4000-8000-000000000000";

/** The headers a request comes with: those of a plain client, then the test's own. */
export function requestHeaders(request: Request, protocol: "http1" | "http2", pieces: Pieces | undefined): HeaderMap {
  const { headers, trailers } = request;
  const authority: [string, string] = [":authority", utf8ByteString(request.authority ?? "example.com")];
  const path: [string, string] = [":path", utf8ByteString(request.path ?? "/")];
  const method: [string, string] = [
    ":method",
    utf8ByteString(request.method ?? (pieces === undefined ? "GET" : "POST")),
  ];
  const scheme: [string, string] = [":scheme", utf8ByteString(request.scheme ?? "http")];
  const pseudo = protocol === "http2" ? [path, method, authority, scheme] : [authority, path, method, scheme];
  const defaults: [string, string][] = [
    ["x-forwarded-proto", request.scheme ?? "http"],
    ["x-request-id", REQUEST_ID],
  ];
  if (pieces !== undefined && protocol === "http1") {
    defaults.push(
      trailers === undefined ? ["content-length", String(sizeOf(pieces))] : ["transfer-encoding", "chunked"],
    );
  }
  return withOwn("request", [...pseudo, ...defaults], headers);
}

/** The headers a response comes with: those of a plain one, then the test's own. `date` and `server` are the exchange's. */
export function responseHeaders(answer: Answer, pieces: Pieces): HeaderMap {
  const defaults: [string, string][] = [[":status", String(answer.status ?? 200)]];
  const bodiless = answer.status === 204 || answer.status === 304;
  if (answer.trailers === undefined && !bodiless) defaults.push(["content-length", String(sizeOf(pieces))]);
  return withOwn("response", defaults, answer.headers);
}

function withOwn(
  kind: "request" | "response",
  defaults: readonly [string, string][],
  own: Request["headers"],
): HeaderMap {
  const names = new Set(Object.keys(own ?? {}).map((name) => lowerAscii(utf8ByteString(name))));
  const kept = defaults.filter(([name]) => !names.has(name) && !(name === ":authority" && names.has("host")));
  const pairs = headerPairs(own);
  // A pseudo header the test gives takes the place of the default one.
  const pseudo = defaults.flatMap(([name]) => (name.startsWith(":") ? pairs.filter(([one]) => one === name) : []));
  return new HeaderMap(kind, [...pseudo, ...kept, ...pairs.filter((pair) => !pseudo.includes(pair))]);
}

function sizeOf(pieces: Pieces): number {
  return pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
