/** One field of a protobuf message as it stands in the bytes: numbers as bigint, the rest (wire type 2) as bytes. */
export interface ProtoField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message in their order; `undefined` for bytes that are no message. Groups are skipped. */
export function readProto(bytes: Uint8Array): readonly ProtoField[] | undefined {
  const reader = new Reader(bytes);
  const fields: ProtoField[] = [];
  return readFields(reader, fields, 0) ? fields : undefined;
}

/** The last value of a field as bytes; empty when it is absent. */
export function protoBytes(fields: readonly ProtoField[], number: number): Uint8Array {
  const found = fields.findLast((field) => field.number === number && typeof field.value !== "bigint")?.value;
  return found instanceof Uint8Array ? found : new Uint8Array(0);
}

/** The last value of a field as text; `undefined` when it is no UTF-8, which makes the whole message invalid. */
export function protoString(fields: readonly ProtoField[], number: number): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(protoBytes(fields, number));
  } catch {
    return undefined;
  }
}

/** The last value of a field as a number; 0 when it is absent. */
export function protoNumber(fields: readonly ProtoField[], number: number): bigint {
  const found = fields.findLast((field) => field.number === number && typeof field.value === "bigint")?.value;
  return typeof found === "bigint" ? found : 0n;
}

/** A message of these fields; empty bytes, empty text, 0 and false are left out, as proto3 does. */
export function writeProto(fields: readonly (readonly [number, string | Uint8Array | boolean])[]): Uint8Array {
  const out: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "boolean") {
      if (value) out.push(...varint(number * WIRE_TYPES), 1);
      continue;
    }
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    if (bytes.length > 0)
      out.push(...varint(number * WIRE_TYPES + LENGTH_DELIMITED), ...varint(bytes.length), ...bytes);
  }
  return Uint8Array.from(out);
}

/** Reads until the end, or until the end of `group`; false for malformed bytes. */
function readFields(reader: Reader, fields: ProtoField[] | undefined, group: number, depth = 0): boolean {
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag === undefined) return false;
    const number = Number(BigInt.asUintN(32, tag) >> 3n);
    const wire = Number(tag & 7n);
    if (number === 0) return false;
    if (wire === END_GROUP) return number === group;
    if (wire === START_GROUP) {
      if (depth === MAX_DEPTH || !readFields(reader, undefined, number, depth + 1)) return false;
      continue;
    }
    const value = reader.value(wire);
    if (value === undefined) return false;
    fields?.push({ number, value });
  }
  return group === 0;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint | undefined {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return undefined;
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return undefined;
  }

  value(wire: number): bigint | Uint8Array | undefined {
    if (wire === VARINT) return this.varint();
    if (wire === FIXED_64 || wire === FIXED_32) return this.#fixed(wire === FIXED_64 ? 8 : 4);
    if (wire !== LENGTH_DELIMITED) return undefined;
    const length = this.varint();
    return length === undefined ? undefined : this.#take(Number(length));
  }

  #fixed(size: number): bigint | undefined {
    return this.#take(size)?.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  #take(length: number): Uint8Array | undefined {
    const end = this.#at + length;
    if (end > this.#bytes.length) return undefined;
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  return [...out, rest];
}

const WIRE_TYPES = 8;
const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED_32 = 5;
/** How deep groups may nest, as protobuf's own reader has it. */
const MAX_DEPTH = 100;
