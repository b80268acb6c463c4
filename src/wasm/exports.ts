import { type BinaryReader, MalformedModule } from "./binary-reader.ts";
import { typeAt } from "./imports.ts";
import type { FunctionType } from "./types.ts";

/** What a module offers to its host, in export order. `index` counts in the index space of its kind. */
export type ModuleExport =
  | { readonly kind: "function"; readonly name: string; readonly index: number; readonly type: FunctionType }
  | { readonly kind: "table" | "memory" | "global" | "tag"; readonly name: string; readonly index: number };

/** Reads the export section. `functions` is the function index space: imported functions first. */
export function readExports(
  reader: BinaryReader | undefined,
  functions: readonly FunctionType[],
): readonly ModuleExport[] {
  if (reader === undefined) return [];
  return Array.from({ length: reader.count("exports") }, () => readExport(reader, functions));
}

/** The types of the functions a module defines itself (function section). */
export function readFunctions(
  reader: BinaryReader | undefined,
  types: readonly (FunctionType | undefined)[],
): readonly FunctionType[] {
  if (reader === undefined) return [];
  return Array.from({ length: reader.count("functions") }, () => typeAt(types, reader.u32(), reader.position));
}

const KINDS = ["function", "table", "memory", "global", "tag"] as const;

function readExport(reader: BinaryReader, functions: readonly FunctionType[]): ModuleExport {
  const name = reader.name();
  const at = reader.position;
  const kind = KINDS[reader.byte()];
  const index = reader.u32();
  if (kind === undefined) throw new MalformedModule(`the export ${name} is of no known kind`, at);
  if (kind !== "function") return { kind, name, index };
  const type = functions[index];
  if (type === undefined)
    throw new MalformedModule(`the export ${name} names function ${index}, which does not exist`, at);
  return { kind, name, index, type };
}
