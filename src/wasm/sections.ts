import { BinaryReader, MalformedModule } from "./binary-reader.ts";

/** One section of a module: where its content lies in the file, header (and name, when custom) left out. */
export interface Section {
  readonly id: number;
  /** Of custom sections. */
  readonly name: string | undefined;
  readonly start: number;
  readonly end: number;
}

/** Section ids (core spec, §5.5.2). */
export const SectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  export: 7,
  start: 8,
  code: 10,
  data: 11,
} as const;

const HEADER_LENGTH = 8;
const MAX_SECTION_ID = 13;
/** More custom sections than any toolchain writes. */
const MAX_SECTIONS = 10_000;

/**
 * Lists the sections without reading them, so that code and data cost nothing. Throws {@link MalformedModule}; order
 * and content are the engine's to judge.
 */
export function readSections(bytes: Uint8Array): readonly Section[] {
  if (bytes.byteLength < HEADER_LENGTH) throw new MalformedModule("the header is incomplete", bytes.byteLength, true);
  const reader = new BinaryReader(bytes, HEADER_LENGTH);
  const sections: Section[] = [];
  while (!reader.done) {
    const at = reader.position;
    const id = reader.byte();
    const size = reader.u32();
    if (id > MAX_SECTION_ID) throw new MalformedModule(`there is no section type ${id}`, at);
    if (sections.length >= MAX_SECTIONS) throw new MalformedModule("there are too many sections", at);
    if (size > reader.left) throw new MalformedModule(`section ${id} is longer than the file`, at, true);
    const end = reader.position + size;
    const inner = new BinaryReader(bytes, reader.position, end);
    const name = id === SectionId.custom ? inner.name() : undefined;
    sections.push({ id, name, start: inner.position, end });
    reader.skip(size);
  }
  return sections;
}

/** The section of that id (at most one may exist), as a reader over its content. */
export function openSection(bytes: Uint8Array, sections: readonly Section[], id: number): BinaryReader | undefined {
  const found = sections.find((section) => section.id === id);
  return found === undefined ? undefined : new BinaryReader(bytes, found.start, found.end);
}
