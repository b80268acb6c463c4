import { readLimits } from "../wasm/memories.ts";
import type { ParsedModule } from "../wasm/parse-module.ts";
import { openSection } from "../wasm/sections.ts";

/** Elements engines give one table at most. */
const LARGEST_TABLE = 10_000_000;

/** Elements of all tables together: 8 bytes each, on the heap of the thread, where what is too much ends the whole process. */
export const MOST_ELEMENTS: number = 3 * LARGEST_TABLE;

/** How many elements the module's own tables may have together, grown as far as they can. Throws `MalformedModule`. */
export function possibleElements({ bytes, sections }: ParsedModule): number {
  const reader = openSection(bytes, sections, TABLE_SECTION);
  if (reader === undefined) return 0;
  const count = reader.count("tables");
  let sum = 0;
  for (let left = count; left > 0; left -= 1) {
    const type = reader.byte();
    // Other kinds of tables take more than a byte to say so; no compiler of filters makes them.
    if (type !== FUNCREF && type !== EXTERNREF) return sum + left * LARGEST_TABLE;
    const { min, max = LARGEST_TABLE } = readLimits(reader);
    sum += Math.max(min, Math.min(max, LARGEST_TABLE));
  }
  return sum;
}

const TABLE_SECTION = 4;
const FUNCREF = 0x70;
const EXTERNREF = 0x6f;
