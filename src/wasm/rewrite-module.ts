import type { Section } from "./sections.ts";

/** Pieces of a file in their order. */
export type Parts = readonly (Uint8Array | readonly number[])[];

/** A copy of the module in which the content of some of its `sections` is another; their sizes are written anew. */
export function withSections(
  bytes: Uint8Array,
  sections: readonly Section[],
  changed: ReadonlyMap<Section, Parts>,
): Uint8Array {
  const parts: (Uint8Array | readonly number[])[] = [];
  let [kept, before] = [0, PREAMBLE];
  for (const section of sections) {
    const content = changed.get(section);
    if (content !== undefined) {
      const size = content.reduce((sum, part) => sum + part.length, 0);
      parts.push(bytes.subarray(kept, before), [section.id, ...leb(size)], ...content);
      kept = section.end;
    }
    before = section.end;
  }
  parts.push(bytes.subarray(kept));
  return joined(parts);
}

/** An unsigned number as the format writes it (LEB128, WebAssembly core 5.2.2). */
export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest % 0x80;
    rest = Math.floor(rest / 0x80);
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

function joined(parts: Parts): Uint8Array {
  const copy = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    copy.set(part, at);
    at += part.length;
  }
  return copy;
}

/** Magic number and version. */
const PREAMBLE = 8;
