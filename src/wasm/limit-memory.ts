import { BinaryReader, MalformedModule } from "./binary-reader.ts";
import { readMemories } from "./memories.ts";
import { leb, withSections } from "./rewrite-module.ts";
import { readSections, SectionId } from "./sections.ts";

/**
 * The module with a maximum of `pages` of 64 KiB in its memory section, so that `memory.grow` fails there (core spec,
 * §5.5.8): a copy of the bytes, or the bytes themselves when they say so already, or have no memory of their own. Works in
 * every engine and for each module alone, unlike a flag of V8. What declares more to begin with is then not valid, which
 * the engine says. Throws `MalformedModule`, also for memories with 64-bit addresses.
 */
export function limitMemory(bytes: Uint8Array, pages: number): Uint8Array {
  const sections = readSections(bytes);
  const section = sections.find(({ id }) => id === SectionId.memory);
  if (section === undefined) return bytes;
  const body = limitedSection(new BinaryReader(bytes, section.start, section.end), pages);
  return body === undefined ? bytes : withSections(bytes, sections, new Map([[section, [body]]]));
}

/**
 * {@link limitMemory} for who is to say himself what is wrong: `undefined` when the module declares more to begin with, and
 * as it is when it is malformed, which whoever loads it will say.
 */
export function withMemoryLimit(module: Uint8Array, pages: number): Uint8Array | undefined {
  try {
    const section = readSections(module).find(({ id }) => id === SectionId.memory);
    const memories = readMemories(section && new BinaryReader(module, section.start, section.end));
    return memories.some(({ min }) => min > pages) ? undefined : limitMemory(module, pages);
  } catch (error) {
    if (error instanceof MalformedModule) return module;
    throw error;
  }
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

const HAS_MAX = 0x01;
const SHARED = 0x02;
