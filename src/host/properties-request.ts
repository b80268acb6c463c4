import type { HeaderMap } from "./header-map.ts";
import { bytesNode, intNode, type PropertyNode, type PropertySource, stringNode } from "./properties-values.ts";
import type { StreamInfo } from "./stream-info.ts";

type Lookup = (info: StreamInfo, source: PropertySource) => PropertyNode | undefined;

/** `request.*`, by name. */
export function requestProperty(name: string, info: StreamInfo, source: PropertySource): PropertyNode | undefined {
  return REQUEST.get(name)?.(info, source);
}

/** `response.*`, by name. */
export function responseProperty(name: string, info: StreamInfo, source: PropertySource): PropertyNode | undefined {
  return RESPONSE.get(name)?.(info, source);
}

/** Whether the property is made of the request's headers, so that there is nothing of it once they are gone. */
export function needsRequestHeaders(name: string): boolean {
  return FROM_HEADERS.has(name);
}

const REQUEST: ReadonlyMap<string, Lookup> = new Map<string, Lookup>([
  ["headers", (_, { requestHeaders }) => ({ type: "headers", headers: requestHeaders })],
  ["headers_bytes", (_, { requestHeaders }) => intNode(requestHeaders?.byteSize ?? 0)],
  ["time", ({ startTime }) => ({ type: "time", value: startTime })],
  ["size", (info, { requestHeaders }) => requestSize(info, requestHeaders)],
  ["total_size", (info, { requestHeaders }) => intNode(info.requestBytes + (requestHeaders?.byteSize ?? 0))],
  ["duration", ({ startTime, endTime }) => durationNode(endTime === undefined ? undefined : endTime - startTime)],
  ["protocol", ({ protocol }) => (protocol === "" ? undefined : stringNode(protocol))],
  ["path", header(":path")],
  ["url_path", ofPath((path) => path.split("?", 1)[0] ?? "")],
  ["query", ofPath(queryOf)],
  ["host", header(":authority")],
  ["scheme", header(":scheme")],
  ["method", header(":method")],
  ["referer", header("referer")],
  ["id", header("x-request-id")],
  ["useragent", header("user-agent")],
]);

const FROM_HEADERS: ReadonlySet<string> = new Set([
  "headers",
  "headers_bytes",
  "path",
  "url_path",
  "query",
  "host",
  "scheme",
  "method",
  "referer",
  "id",
  "useragent",
]);

const RESPONSE: ReadonlyMap<string, Lookup> = new Map<string, Lookup>([
  ["code", ({ responseCode }) => (responseCode === undefined ? undefined : intNode(responseCode))],
  [
    "code_details",
    (info) => (info.responseCodeDetails === undefined ? undefined : stringNode(info.responseCodeDetails)),
  ],
  ["flags", ({ responseFlags }) => intNode(responseFlags)],
  ["grpc_status", grpcStatus],
  ["headers", (_, { responseHeaders }) => ({ type: "headers", headers: responseHeaders })],
  ["headers_bytes", (_, { responseHeaders }) => intNode(responseHeaders?.byteSize ?? 0)],
  ["trailers", (_, { responseTrailers }) => ({ type: "headers", headers: responseTrailers })],
  ["size", ({ responseBytes }) => intNode(responseBytes)],
  ["total_size", responseTotalSize],
  ["backend_latency", ({ backendLatency }) => durationNode(backendLatency)],
]);

function header(name: string): Lookup {
  return (_, { requestHeaders }) => {
    const value = requestHeaders?.get(name);
    return value === undefined ? undefined : bytesNode(value);
  };
}

/** A part of `:path`; an absent path is an empty one. */
function ofPath(part: (path: string) => string): Lookup {
  return (_, { requestHeaders }) =>
    requestHeaders === undefined ? undefined : bytesNode(part(requestHeaders.get(":path") ?? ""));
}

function queryOf(path: string): string {
  const at = path.indexOf("?");
  return at === -1 ? "" : (path.slice(at + 1).split("#", 1)[0] ?? "");
}

/** What `content-length` says, as long as it says anything; else the bytes that came. */
function requestSize(info: StreamInfo, headers: HeaderMap | undefined): PropertyNode | undefined {
  const said = headers?.get("content-length");
  if (said === undefined) return intNode(info.requestBytes);
  return /^\s*[+-]?\d+\s*$/u.test(said) ? intNode(BigInt.asIntN(64, BigInt(said.trim().replace("+", "")))) : undefined;
}

function responseTotalSize(info: StreamInfo, source: PropertySource): PropertyNode {
  const { responseHeaders, responseTrailers } = source;
  return intNode(info.responseBytes + (responseHeaders?.byteSize ?? 0) + (responseTrailers?.byteSize ?? 0));
}

/** The status gRPC said, or the one that goes with the HTTP status: also for answers that are no gRPC. */
function grpcStatus(info: StreamInfo, source: PropertySource): PropertyNode | undefined {
  const said = source.responseTrailers?.get("grpc-status") ?? source.responseHeaders?.get("grpc-status");
  if (said !== undefined && said !== "") return intNode(/^\d+$/u.test(said) && Number(said) <= 16 ? Number(said) : -1);
  if (info.grpcStatus !== undefined) return intNode(info.grpcStatus);
  return info.responseCode === undefined ? undefined : intNode(GRPC_OF_HTTP.get(info.responseCode) ?? UNKNOWN);
}

function durationNode(value: bigint | undefined): PropertyNode | undefined {
  return value === undefined ? undefined : { type: "duration", value };
}

const UNKNOWN = 2;
const GRPC_OF_HTTP: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);
