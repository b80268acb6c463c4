import { BinaryReader, MalformedModule } from "./binary-reader.ts";
import { readSections, SectionId } from "./sections.ts";

/**
 * The module with a maximum for its memory: `memory.grow` beyond so many pages of 64 KiB fails, whatever it declared (core
 * spec, §5.5.8). `undefined` when it declares more to begin with; as it is when it has no memory of its own, or is
 * malformed, which whoever loads it will say.
 */
export function withMemoryLimit(module: Uint8Array, pages: number): Uint8Array | undefined {
  try {
    return limited(module, pages);
  } catch (error) {
    if (error instanceof MalformedModule) return module;
    throw error;
  }
}

function limited(module: Uint8Array, pages: number): Uint8Array | undefined {
  const sections = readSections(module);
  const index = sections.findIndex(({ id }) => id === SectionId.memory);
  const section = sections[index];
  if (section === undefined) return module;
  const reader = new BinaryReader(module, section.start, section.end);
  const memories: number[] = [];
  const count = reader.u32();
  for (let at = 0; at < count; at += 1) {
    const flags = reader.byte();
    const [least, most] = [reader.u64(), (flags & HAS_MAXIMUM) === 0 ? pages : reader.u64()];
    if (least > pages) return undefined;
    memories.push(flags | HAS_MAXIMUM, ...leb(least), ...leb(Math.max(least, Math.min(most, pages))));
  }
  const content = [...leb(count), ...memories];
  const before = sections[index - 1]?.end ?? PREAMBLE;
  const header = [SectionId.memory, ...leb(content.length)];
  return Buffer.concat([
    module.subarray(0, before),
    Buffer.from([...header, ...content]),
    module.subarray(section.end),
  ]);
}

/** Unsigned LEB128. */
function leb(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

const HAS_MAXIMUM = 1;
/** Bytes of magic and version. */
const PREAMBLE = 8;
