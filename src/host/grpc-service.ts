import { latin1 } from "./guest-memory.ts";
import { type ProtoField, protoBytes, protoString, readProto } from "./proto.ts";

/** Whom a guest wants to call by gRPC. */
export interface GrpcService {
  readonly cluster: string;
  /** `:authority`; the cluster's name when none is given. */
  readonly authority: string;
  /** More metadata, flat `[name, value, …]`. */
  readonly metadata: readonly string[];
  /** Whether the guest gave a name and no message: an unknown cluster is another error then. */
  readonly byName: boolean;
}

/**
 * What a guest gives as the target of a gRPC call: the bytes of an `envoy.config.core.v3.GrpcService`, or, when they are no
 * protobuf message, a cluster's name. `undefined` for a message without a target.
 */
export function readGrpcService(bytes: Uint8Array): GrpcService | undefined {
  const fields = readProto(bytes);
  const service = fields === undefined ? undefined : targetOf(fields);
  if (fields === undefined || service === "malformed") {
    const cluster = latin1(bytes);
    return { cluster, authority: cluster, metadata: [], byName: true };
  }
  return service;
}

function targetOf(fields: readonly ProtoField[]): GrpcService | "malformed" | undefined {
  const target = fields.findLast(({ number, value }) => isTarget(number) && typeof value !== "bigint");
  if (target === undefined || typeof target.value === "bigint") return undefined;
  const inner = readProto(target.value);
  const name = inner === undefined ? undefined : protoString(inner, 1);
  if (inner === undefined || name === undefined) return "malformed";
  const authority = target.number === ENVOY_GRPC ? latin1(protoBytes(inner, AUTHORITY)) : "";
  const metadata = fields.flatMap(({ number, value }) => (number === METADATA ? headerOf(value) : []));
  const cluster = latin1(protoBytes(inner, 1));
  return { cluster, authority: authority === "" ? cluster : authority, metadata, byName: false };
}

function isTarget(number: number): boolean {
  return number === ENVOY_GRPC || number === GOOGLE_GRPC;
}

function headerOf(value: bigint | Uint8Array): string[] {
  const fields = typeof value === "bigint" ? undefined : readProto(value);
  return fields === undefined ? [] : [latin1(protoBytes(fields, 1)), latin1(protoBytes(fields, 2))];
}

const ENVOY_GRPC = 1;
const GOOGLE_GRPC = 2;
const METADATA = 5;
const AUTHORITY = 2;
