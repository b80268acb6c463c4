import { type BinaryReader, MalformedModule } from "./binary-reader.ts";
import { type Limits, readLimits } from "./memories.ts";
import { type FunctionType, readValueType } from "./types.ts";

/** What a module asks of its host. */
export type ModuleImport =
  | { readonly kind: "function"; readonly module: string; readonly name: string; readonly type: FunctionType }
  | { readonly kind: "memory"; readonly module: string; readonly name: string; readonly limits: Limits }
  | { readonly kind: "global" | "table" | "tag"; readonly module: string; readonly name: string };

/** Reads the import section, in order; the same import may appear twice (Go's linker does that). */
export function readImports(
  reader: BinaryReader | undefined,
  types: readonly (FunctionType | undefined)[],
): readonly ModuleImport[] {
  if (reader === undefined) return [];
  return Array.from({ length: reader.count("imports") }, () => readImport(reader, types));
}

function readImport(reader: BinaryReader, types: readonly (FunctionType | undefined)[]): ModuleImport {
  const module = reader.name();
  const name = reader.name();
  const at = reader.position;
  switch (reader.byte()) {
    case 0x00:
      return { kind: "function", module, name, type: typeAt(types, reader.u32(), at) };
    case 0x01:
      readValueType(reader);
      readLimits(reader);
      return { kind: "table", module, name };
    case 0x02:
      return { kind: "memory", module, name, limits: readLimits(reader) };
    case 0x03:
      readValueType(reader);
      reader.byte();
      return { kind: "global", module, name };
    case 0x04:
      reader.byte();
      reader.u32();
      return { kind: "tag", module, name };
    default:
      throw new MalformedModule(`the import ${module}.${name} is of no known kind`, at);
  }
}

/** The function type at an index. Throws {@link MalformedModule} when there is none. */
export function typeAt(types: readonly (FunctionType | undefined)[], index: number, offset: number): FunctionType {
  const type = types[index];
  if (type === undefined) throw new MalformedModule(`there is no function type ${index}`, offset);
  return type;
}
