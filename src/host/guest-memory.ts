import { lowerAscii } from "./header-map.ts";
import { INTERN_MAX, InternTable } from "./intern.ts";
import { Status } from "./status.ts";
import type { WasmMemory } from "./webassembly.ts";

/** Asks the guest for memory: the pointer, 0 when there is none. Runs guest code: views become stale. */
export type Allocate = (length: number) => number;

/**
 * The memory of one guest, as host calls see it. Pointers and lengths are taken as the guest gave them (signed or not).
 *
 * A memory that grew detaches the array held here, whose length becomes 0: the bounds check of every access is the check
 * for that too, and looks again once before it says no.
 */
export class GuestMemory {
  #memory: WasmMemory | undefined;
  #allocate: Allocate = () => 0;
  #bytes: Uint8Array = NONE;
  #node: NodeBytes | undefined;
  readonly #names = new InternTable(true);
  readonly #values = new InternTable(false);

  /** Takes over the memory of an instance. Until then every access is out of bounds. */
  attach(memory: WasmMemory, allocate: Allocate): void {
    this.#memory = memory;
    this.#allocate = allocate;
    this.#refresh();
  }

  /** Bytes the guest has now. */
  get byteLength(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  /** The bytes themselves, not a copy: valid until guest code runs. `undefined` is out of bounds. */
  view(pointer: number, length: number): Uint8Array | undefined {
    const start = pointer >>> 0;
    const count = length >>> 0;
    if (!this.#holds(start, count)) return undefined;
    return count === 0 ? NONE : this.#bytes.subarray(start, start + count);
  }

  /** A copy of the bytes. `undefined` is out of bounds. */
  copy(pointer: number, length: number): Uint8Array | undefined {
    return this.view(pointer, length)?.slice();
  }

  /** The bytes as a string, one character a byte. `undefined` is out of bounds, or more than 256 MiB. */
  latin1(pointer: number, length: number): string | undefined {
    const start = pointer >>> 0;
    const count = length >>> 0;
    if (!this.#holds(start, count) || count > MAX_TEXT) return undefined;
    if (count === 0) return "";
    return count <= SHORT ? this.#values.text(this.#bytes, start, count) : this.#slice(start, count);
  }

  /** A name: as {@link latin1}, ASCII letters in lower case, the same string for the same name. */
  name(pointer: number, length: number): string | undefined {
    const start = pointer >>> 0;
    const count = length >>> 0;
    if (!this.#holds(start, count) || count > MAX_TEXT) return undefined;
    if (count === 0) return "";
    return count <= INTERN_MAX ? this.#names.text(this.#bytes, start, count) : lowerAscii(this.#slice(start, count));
  }

  /** The u32 at the pointer. `undefined` is out of bounds. */
  readU32(pointer: number): number | undefined {
    const at = pointer >>> 0;
    if (!this.#holds(at, 4)) return undefined;
    const bytes = this.#bytes;
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
  }

  /** False is out of bounds. */
  writeU32(pointer: number, value: number): boolean {
    const at = pointer >>> 0;
    if (!this.#holds(at, 4)) return false;
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    return true;
  }

  /** False is out of bounds. Takes the low 64 bits, signed or not. */
  writeU64(pointer: number, value: bigint): boolean {
    const low = Number(BigInt.asUintN(32, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    const at = pointer >>> 0;
    return this.#holds(at, 8) && this.writeU32(at, low) && this.writeU32(at + 4, high);
  }

  /** Copies the data to the pointer; false is out of bounds. */
  write(pointer: number, data: Uint8Array): boolean {
    const at = pointer >>> 0;
    if (!this.#holds(at, data.length)) return false;
    if (data.length > 0) this.#bytes.set(data, at);
    return true;
  }

  /** Guest memory of that many bytes. `undefined` when the guest has none. Views become stale. */
  allocate(length: number): { readonly pointer: number; readonly bytes: Uint8Array } | undefined {
    const pointer = this.#allocate(length) >>> 0;
    const bytes = pointer === 0 ? undefined : this.view(pointer, length);
    return bytes === undefined ? undefined : { pointer, bytes };
  }

  /** Hands data to the guest: allocates, copies, writes pointer and length. Empty data is pointer 0 and length 0. */
  give(data: Uint8Array, outPointer: number, outLength: number): Status {
    if (data.length === 0) return this.#answer(0, 0, outPointer, outLength);
    const pointer = this.#allocate(data.length) >>> 0;
    if (pointer === 0 || !this.#holds(pointer, data.length)) return Status.invalidMemoryAccess;
    this.#bytes.set(data, pointer);
    return this.#answer(pointer, data.length, outPointer, outLength);
  }

  /** As {@link give}, of a string of bytes. */
  giveLatin1(text: string, outPointer: number, outLength: number): Status {
    const { length } = text;
    if (length === 0) return this.#answer(0, 0, outPointer, outLength);
    const pointer = this.#allocate(length) >>> 0;
    if (pointer === 0 || !this.#holds(pointer, length)) return Status.invalidMemoryAccess;
    if (length > SHORT && this.#node !== undefined) this.#node.latin1Write(text, pointer, length);
    else {
      const bytes = this.#bytes;
      for (let at = 0; at < length; at += 1) bytes[pointer + at] = text.charCodeAt(at);
    }
    return this.#answer(pointer, length, outPointer, outLength);
  }

  #answer(pointer: number, length: number, outPointer: number, outLength: number): Status {
    return this.writeU32(outPointer, pointer) && this.writeU32(outLength, length)
      ? Status.ok
      : Status.invalidMemoryAccess;
  }

  #holds(start: number, count: number): boolean {
    return start + count <= this.#bytes.length || this.#refresh() >= start + count;
  }

  #refresh(): number {
    const memory = this.#memory;
    if (memory === undefined) return -1;
    const { buffer } = memory;
    if (buffer !== this.#bytes.buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#node = nodeBytes(buffer);
    }
    return buffer.byteLength;
  }

  #slice(start: number, count: number): string {
    if (this.#node !== undefined) return this.#node.latin1Slice(start, start + count);
    return latin1(this.#bytes.subarray(start, start + count));
  }
}

/** The bytes as a string, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += BLOCK) text += String.fromCharCode(...bytes.subarray(at, at + BLOCK));
  return text;
}

/** The characters as bytes; what is above 255 loses its high part. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Node's Buffer has the fastest way between bytes and such strings; browsers have none. */
interface NodeBytes {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, start: number, length: number): number;
}

function nodeBytes(buffer: ArrayBuffer): NodeBytes | undefined {
  const { Buffer: maker } = globalThis as { readonly Buffer?: { from(buffer: ArrayBuffer): unknown } };
  const made = maker?.from(buffer) as Partial<NodeBytes> | undefined;
  return typeof made?.latin1Slice === "function" && typeof made.latin1Write === "function"
    ? (made as NodeBytes)
    : undefined;
}

const NONE = new Uint8Array(0);
/** Bytes of the longest string that is read: engines have none as long as memories may be. */
const MAX_TEXT = 256 * 1024 * 1024;
/** Up to here a loop, or a remembered string, is faster than a call into the engine. */
const SHORT = 20;
const BLOCK = 4096;
