import { BinaryReader } from "../wasm/binary-reader.ts";
import { leb, type Parts, withSections } from "../wasm/rewrite-module.ts";
import { type Section, SectionId } from "../wasm/sections.ts";
import { slowPlaces } from "../wasm/slow-instructions.ts";
import { readTypes } from "../wasm/types.ts";
import type { ParsedModule } from "../wasm/parse-module.ts";

/**
 * The module in a form that the engine can end at any time: a copy of the bytes, or the bytes themselves. V8 looks whether
 * it is to stop where a function is entered and, in a loop, once in so many bytes of code that ran, which are two hundred
 * thousand rounds of a short one. With an instruction in it that takes a millisecond by itself (`memory.grow`, or filling
 * a large memory) that is minutes. So in loops, and in long rows, an empty function, added at the end, is called before
 * each of these.
 * Function indexes stay as they were. Throws `MalformedModule`.
 */
export function interruptible(module: ParsedModule): Uint8Array {
  const { bytes, sections } = module;
  const at = (id: number): Section | undefined => sections.find((section) => section.id === id);
  const [types, functions, code] = [at(SectionId.type), at(SectionId.function), at(SectionId.code)];
  if (types === undefined || functions === undefined || code === undefined) return bytes;
  const slow = slowBodies(module, code);
  if (slow.size === 0) return bytes;
  const imported = module.imports.filter((item) => item.kind === "function").length;
  const defined = new BinaryReader(bytes, functions.start, functions.end).u32();
  const type = readTypes(new BinaryReader(bytes, types.start, types.end)).length;
  const call = [CALL, ...leb(imported + defined)];
  const changed = new Map([
    [types, appended(bytes, types, EMPTY_TYPE)],
    [functions, appended(bytes, functions, leb(type))],
    [code, codeWith(bytes, code, { slow, call })],
  ]);
  return withSections(bytes, sections, changed);
}

interface Body {
  /** Where its size stands. */
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

/** Bodies with such instructions, and where. */
function slowBodies({ bytes, memories }: ParsedModule, code: Section): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, readonly number[]>();
  for (const body of bodies(bytes, code)) {
    if (memories.length < 2 && !mayHold(bytes, body)) continue;
    const places = slowPlaces(bytes, body) ?? [];
    if (places.length > 0) found.set(body.header, places);
  }
  return found;
}

function* bodies(bytes: Uint8Array, code: Section): Generator<Body> {
  const reader = new BinaryReader(bytes, code.start, code.end);
  for (let left = reader.count("functions"); left > 0; left -= 1) {
    const header = reader.position;
    const size = reader.u32();
    const start = reader.position;
    reader.skip(size);
    yield { header, start, end: start + size };
  }
}

/** Quickly: whether the bytes of such an instruction are there at all, for a module with one memory. */
function mayHold(bytes: Uint8Array, { start, end }: Body): boolean {
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte === BULK || byte === GARBAGE) return true;
    if (byte !== GROW) continue;
    // The number of the memory, zero, may be written with more bytes than it needs.
    const next = bytes[at + 1] ?? 0;
    if (next === 0 || next >= 0x80) return true;
  }
  return false;
}

/** A list with one more entry. */
function appended(bytes: Uint8Array, section: Section, entry: readonly number[]): Parts {
  const reader = new BinaryReader(bytes, section.start, section.end);
  const count = reader.u32();
  return [leb(count + 1), bytes.subarray(reader.position, section.end), entry];
}

function codeWith(
  bytes: Uint8Array,
  code: Section,
  { slow, call }: { readonly slow: ReadonlyMap<number, readonly number[]>; readonly call: readonly number[] },
): Parts {
  const parts: (Uint8Array | readonly number[])[] = [];
  const reader = new BinaryReader(bytes, code.start, code.end);
  parts.push(leb(reader.u32() + 1));
  let kept = reader.position;
  for (const { header, start, end } of bodies(bytes, code)) {
    const places = slow.get(header);
    if (places === undefined) continue;
    parts.push(bytes.subarray(kept, header), leb(end - start + places.length * call.length));
    kept = start;
    for (const place of places) {
      parts.push(bytes.subarray(kept, place), call);
      kept = place;
    }
  }
  parts.push(bytes.subarray(kept, code.end), EMPTY_BODY);
  return parts;
}

const CALL = 0x10;
const GROW = 0x40;
const BULK = 0xfc;
const GARBAGE = 0xfb;
/** Takes nothing and gives nothing. */
const EMPTY_TYPE: readonly number[] = [0x60, 0, 0];
/** Two bytes: no locals, the end. */
const EMPTY_BODY: readonly number[] = [2, 0, 0x0b];
