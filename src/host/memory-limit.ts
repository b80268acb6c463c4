import { BinaryReader, MalformedModule } from "../wasm/binary-reader.ts";
import { readSections, SectionId } from "../wasm/sections.ts";

/**
 * The module with a maximum of `pages` in its memory section, so that `memory.grow` fails there: a copy of the bytes, or the
 * bytes themselves when they say so already. Works in every engine and for each module alone, unlike a flag of V8.
 * Throws `MalformedModule`, also for memories with 64-bit addresses.
 */
export function limitMemory(bytes: Uint8Array, pages: number): Uint8Array {
  const sections = readSections(bytes);
  const index = sections.findIndex(({ id }) => id === SectionId.memory);
  const section = sections[index];
  if (section === undefined) return bytes;
  const body = limitedSection(new BinaryReader(bytes, section.start, section.end), pages);
  if (body === undefined) return bytes;
  const parts = [
    bytes.subarray(0, sections[index - 1]?.end ?? PREAMBLE),
    Uint8Array.of(SectionId.memory, ...leb(body.length), ...body),
    bytes.subarray(section.end),
  ];
  const copy = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    copy.set(part, at);
    at += part.length;
  }
  return copy;
}

/** The new content, or `undefined` when no memory may grow further than it should. */
function limitedSection(reader: BinaryReader, pages: number): number[] | undefined {
  const count = reader.count("memories");
  const body = leb(count);
  let changed = false;
  for (let left = count; left > 0; left -= 1) {
    const at = reader.position;
    const flags = reader.byte();
    if ((flags & ~(HAS_MAX | SHARED)) !== 0) throw new MalformedModule("the memory is of a kind no proxy has", at);
    const min = reader.u64();
    const max = (flags & HAS_MAX) === 0 ? Number.POSITIVE_INFINITY : reader.u64();
    changed ||= max > pages;
    body.push(flags | HAS_MAX, ...leb(min), ...leb(Math.min(max, pages)));
  }
  return changed ? body : undefined;
}

function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest % 0x80;
    rest = Math.floor(rest / 0x80);
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

/** Magic number and version. */
const PREAMBLE = 8;
const HAS_MAX = 0x01;
const SHARED = 0x02;
