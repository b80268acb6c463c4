import { type ModuleExport, readExports, readFunctions } from "./exports.ts";
import { type ModuleImport, readImports } from "./imports.ts";
import { type Limits, readMemories } from "./memories.ts";
import { openSection, readSections, type Section, SectionId } from "./sections.ts";
import { readTypes } from "./types.ts";

/** The outline of a module: everything but its code and data. */
export interface ParsedModule {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  /** Imported memories first. */
  readonly memories: readonly Limits[];
  /** True when instantiation itself runs code (AssemblyScript). */
  readonly hasStart: boolean;
}

/**
 * Reads the outline of a core module. The bytes are held in memory whole, because the engine that validates the code
 * needs them so, and are not copied. Throws `MalformedModule`.
 */
export function parseModule(bytes: Uint8Array): ParsedModule {
  const sections = readSections(bytes);
  const open = (id: number): ReturnType<typeof openSection> => openSection(bytes, sections, id);
  const types = readTypes(open(SectionId.type));
  const imports = readImports(open(SectionId.import), types);
  const imported = imports.flatMap((item) => (item.kind === "function" ? [item.type] : []));
  const functions = [...imported, ...readFunctions(open(SectionId.function), types)];
  return {
    bytes,
    sections,
    imports,
    exports: readExports(open(SectionId.export), functions),
    memories: [
      ...imports.flatMap((item) => (item.kind === "memory" ? [item.limits] : [])),
      ...readMemories(open(SectionId.memory)),
    ],
    hasStart: sections.some((section) => section.id === SectionId.start),
  };
}
