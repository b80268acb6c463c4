import type { GuestExports } from "./webassembly.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads and writes a module's memory. Views are made anew each time: every call into the module may grow it. */
export class Guest {
  #exports: GuestExports | undefined;

  /** Functions may be called while the module starts, before its memory can be held. */
  attach(exports: GuestExports): void {
    this.#exports = exports;
  }

  get exports(): GuestExports {
    if (this.#exports === undefined) throw new Error("host function called before the module was instantiated");
    return this.#exports;
  }

  /** Calls an exported function; `undefined` when the module does not export it. */
  call(name: string, ...args: number[]): number | undefined {
    const target = this.exports[name];
    return typeof target === "function"
      ? ((target as (...args: number[]) => number | undefined)(...args) ?? 0)
      : undefined;
  }

  get pages(): number {
    return this.exports.memory.buffer.byteLength / 65_536;
  }

  bytes(address: number, size: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer).slice(address >>> 0, (address >>> 0) + (size >>> 0));
  }

  text(address: number, size: number): string {
    return decoder.decode(this.bytes(address, size));
  }

  number(address: number, value: number): void {
    new DataView(this.exports.memory.buffer).setUint32(address >>> 0, value, true);
  }

  long(address: number, value: bigint): void {
    new DataView(this.exports.memory.buffer).setBigUint64(address >>> 0, BigInt.asUintN(64, value), true);
  }

  /** Hands data over as Envoy does: memory from the module's own `malloc`, nothing at all for empty data. */
  give(data: Uint8Array | string, outAddress: number, outSize: number): void {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    const address = bytes.length > 0 ? (this.call("malloc", bytes.length) ?? 0) : 0;
    if (address !== 0) new Uint8Array(this.exports.memory.buffer).set(bytes, address);
    this.number(outAddress, address);
    this.number(outSize, bytes.length);
  }
}

/** Header lists in the form in which they cross the border. */
export function encodePairs(pairs: readonly (readonly [string, string])[]): Uint8Array {
  if (pairs.length === 0) return new Uint8Array(0);
  const items = pairs.map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
  const sizes = Buffer.alloc(4 + items.length * 8);
  sizes.writeUInt32LE(items.length, 0);
  for (const [index, [name, value]] of items.entries()) {
    sizes.writeUInt32LE(name.length, 4 + index * 8);
    sizes.writeUInt32LE(value.length, 8 + index * 8);
  }
  const nul = Buffer.alloc(1);
  return Buffer.concat([sizes, ...items.flatMap(([name, value]) => [name, nul, value, nul])]);
}

/** The reverse; throws where Envoy would silently take an empty list. */
export function decodePairs(bytes: Uint8Array): [string, string][] {
  if (bytes.length === 0) return [];
  const data = Buffer.from(bytes);
  const count = data.readUInt32LE(0);
  let at = 4 + count * 8;
  const take = (size: number): string => {
    const text = data.toString("utf8", at, at + size);
    if (data[at + size] !== 0) throw new Error(`no NUL behind "${text}"`);
    at += size + 1;
    return text;
  };
  const pairs: [string, string][] = [];
  for (let index = 0; index < count; index++) {
    const name = take(data.readUInt32LE(4 + index * 8));
    pairs.push([name, take(data.readUInt32LE(8 + index * 8))]);
  }
  if (at !== data.length) throw new Error(`${data.length - at} bytes too many`);
  return pairs;
}
