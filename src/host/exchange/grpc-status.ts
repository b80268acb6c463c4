import type { HeaderMap } from "../header-map.ts";

/** The gRPC status Envoy makes of an HTTP status; 2 (Unknown) where gRPC has no word for it. */
export function grpcStatusOfHttp(status: number): number {
  return BY_HTTP.get(status) ?? 2;
}

/** The gRPC status of a response: what trailers or headers say, else what its HTTP status comes to. */
export function grpcStatusOf(
  headers: HeaderMap | undefined,
  trailers: HeaderMap | undefined,
  status: number | undefined,
): number | undefined {
  const said = trailers?.get("grpc-status") ?? headers?.get("grpc-status");
  if (said !== undefined && /^\d{1,9}$/u.test(said)) return Number(said);
  return status === undefined ? undefined : grpcStatusOfHttp(status);
}

/** Whether headers are those of a gRPC request. */
export function isGrpcRequest(headers: HeaderMap): boolean {
  const type = headers.get("content-type") ?? "";
  return type.startsWith("application/grpc") && (type.length === 16 || type[16] === "+");
}

/** Bytes as gRPC writes them in `grpc-message`: printable ASCII but `%` as it is, everything else as `%XX`. */
export function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

const BY_HTTP: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);
