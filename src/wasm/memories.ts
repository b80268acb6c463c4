import type { BinaryReader } from "./binary-reader.ts";

/** Size of a memory or table: pages of 64 KiB, or elements. */
export interface Limits {
  readonly min: number;
  readonly max: number | undefined;
}

const HAS_MAX = 0x01;
const CUSTOM_PAGE_SIZE = 0x08;

/** Limits of a memory or table (core spec, §5.3.7; the 64-bit and custom page size flags too). */
export function readLimits(reader: BinaryReader): Limits {
  const flags = reader.byte();
  const min = reader.u64();
  const max = (flags & HAS_MAX) === 0 ? undefined : reader.u64();
  if ((flags & CUSTOM_PAGE_SIZE) !== 0) reader.u32();
  return { min, max };
}

/** The memories a module defines itself. */
export function readMemories(reader: BinaryReader | undefined): readonly Limits[] {
  if (reader === undefined) return [];
  return Array.from({ length: reader.count("memories") }, () => readLimits(reader));
}
