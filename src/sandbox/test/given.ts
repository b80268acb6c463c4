import type { PropertyValue, StreamInfo } from "../../host/stream-info.ts";
import type { ReadBytes } from "./matchers.ts";
import type { Property } from "./model-values.ts";
import type { Given } from "./model.ts";
import type { Session } from "./session.ts";
import { contentBytes, formatNanoseconds, nanoseconds } from "./values.ts";

/** The wall clock of every test that gives none. */
const DEFAULT_TIME = "2026-01-01T00:00:00Z";

/** Nanoseconds since 1970. */
export function startTime(given: Given): bigint {
  return timeOf(given.time ?? DEFAULT_TIME);
}

function timeOf(text: string): bigint {
  const fraction = /\.(\d{1,9})/u.exec(text)?.[1] ?? "";
  const seconds = BigInt(Math.floor(Date.parse(text.replace(/\.\d+/u, "")) / 1000));
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Fills shared data and queues of a VM id. */
export function seedHost(session: Session, given: Given, vmId: string, readBytes: ReadBytes): void {
  for (const [key, value] of Object.entries(given.shared ?? {})) {
    session.host.sharedData.seed(vmId, key, contentBytes(value, readBytes));
  }
  for (const [name, messages] of Object.entries(given.queues ?? {})) {
    for (const message of messages) session.host.sharedQueues.seed(vmId, name, contentBytes(message, readBytes));
  }
}

/** What a test gives of its streams: properties, metadata and filter state. */
export function streamInfo(given: Given, readBytes: ReadBytes): Partial<StreamInfo> {
  const overrides = new Map<string, PropertyValue>();
  for (const [path, property] of Object.entries(given.properties ?? {})) {
    overrides.set(path, propertyValue(property, KNOWN_TYPES[path]));
  }
  for (const [filter, entries] of Object.entries(given.metadata ?? {})) {
    for (const [key, property] of Object.entries(entries)) {
      overrides.set(`metadata.filter_metadata.${filter}.${key}`, propertyValue(property, undefined));
    }
  }
  const state = Object.entries(given.filterState ?? {}).map(
    ([key, value]) => [key, { bytes: contentBytes(value, readBytes), readOnly: false }] as const,
  );
  return { overrides, filterState: new Map(state) };
}

type PlainType = "int" | "uint" | "bool" | "time" | "duration";

/** Types of Envoy's attributes that are not text. */
const KNOWN_TYPES: Readonly<Record<string, PlainType>> = {
  "request.time": "time",
  "request.duration": "duration",
  "request.size": "int",
  "request.total_size": "int",
  "request.headers_bytes": "int",
  "response.code": "int",
  "response.flags": "int",
  "response.grpc_status": "int",
  "response.size": "int",
  "response.total_size": "int",
  "response.headers_bytes": "int",
  "response.backend_latency": "duration",
  "source.port": "int",
  "destination.port": "int",
  "upstream.port": "int",
  "upstream.num_endpoints": "int",
  "upstream.request_attempt_count": "int",
  "upstream.cx_pool_ready_duration": "duration",
  "connection.id": "uint",
  connection_id: "uint",
  "connection.mtls": "bool",
  "xds.listener_direction": "int",
};

/** A property of a test as the host takes it. */
function propertyValue(property: Property, known: PlainType | undefined): PropertyValue {
  if (typeof property !== "object") return plainValue(property, known);
  if (property.string !== undefined) return { type: "string", value: property.string };
  if (property.base64 !== undefined) {
    return { type: "bytes", value: new Uint8Array(Buffer.from(property.base64, "base64")) };
  }
  if (property.int !== undefined) return { type: "int", value: BigInt(property.int) };
  if (property.uint !== undefined) return { type: "uint", value: BigInt(property.uint) };
  if (property.double !== undefined) return { type: "double", value: property.double };
  if (property.bool !== undefined) return { type: "bool", value: property.bool };
  if (property.time !== undefined) return { type: "time", value: timeOf(property.time) };
  if (property.duration !== undefined) return { type: "duration", value: nanoseconds(property.duration) };
  if (property.list !== undefined) {
    return { type: "list", value: property.list.map((one) => propertyValue(one, undefined)) };
  }
  const entries = Object.entries(property.map ?? {}).map(([key, one]) => [key, propertyValue(one, undefined)] as const);
  return { type: "map", value: new Map(entries) };
}

function plainValue(value: string | number | boolean, known: PlainType | undefined): PropertyValue {
  if (known === "time") return { type: "time", value: timeOf(String(value)) };
  if (known === "duration") return { type: "duration", value: nanoseconds(typeof value === "boolean" ? 0 : value) };
  if (known === "bool") return { type: "bool", value: value === true || value === "true" };
  if (known !== undefined && /^-?\d{1,20}$/u.test(String(value))) return { type: known, value: BigInt(value) };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") {
    return Number.isInteger(value) ? { type: "int", value: BigInt(value) } : { type: "double", value };
  }
  return { type: "string", value };
}

/** The bytes of a property as text: numbers, times and truths by the type Envoy gives the name. A string of bytes. */
export function propertyText(path: string, bytes: Uint8Array): string {
  const known = KNOWN_TYPES[path];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (known === "bool" && bytes.length === 1) return String(bytes[0] !== 0);
  if (known === undefined || known === "bool" || bytes.length !== 8) return Buffer.from(bytes).toString("latin1");
  const value = known === "uint" ? view.getBigUint64(0, true) : view.getBigInt64(0, true);
  if (known === "time") return new Date(Number(value / 1_000_000n)).toISOString();
  return known === "duration" ? formatNanoseconds(value) : String(value);
}
