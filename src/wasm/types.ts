import { type BinaryReader, MalformedModule } from "./binary-reader.ts";

/** The type of a function: value types by name (`i32`, `i64`, `f32`, `f64`, `v128`, `ref`). */
export interface FunctionType {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

/** The way proxies print a type in their errors: `i32 i32 -> i32`, `void` for none. */
export function formatType(type: FunctionType): string {
  return `${side(type.params)} -> ${side(type.results)}`;
}

function side(types: readonly string[]): string {
  return types.length === 0 ? "void" : types.join(" ");
}

/** True when a proxy's linker takes one for the other. */
export function sameType(a: FunctionType, b: FunctionType): boolean {
  return formatType(a) === formatType(b);
}

/** A type in short letters, `i` for i32 and `l` for i64: what the tables of host calls and callbacks are written in. */
export function functionType(params: string, results: string): FunctionType {
  return { params: spell(params), results: spell(results) };
}

function spell(letters: string): readonly string[] {
  return Array.from(letters, (letter) => (letter === "l" ? "i64" : "i32"));
}

/**
 * The type index space: function types, and `undefined` for the struct and array types of the garbage collection
 * proposal, which no host call can have (core spec 3.0, §5.3).
 */
export function readTypes(reader: BinaryReader | undefined): readonly (FunctionType | undefined)[] {
  if (reader === undefined) return [];
  const types: (FunctionType | undefined)[] = [];
  for (let left = reader.count("types"); left > 0; left -= 1) readRecType(reader, types);
  return types;
}

const FORM = { rec: 0x4e, subFinal: 0x4f, sub: 0x50, array: 0x5e, struct: 0x5f, func: 0x60 } as const;

function readRecType(reader: BinaryReader, types: (FunctionType | undefined)[]): void {
  const form = reader.byte();
  if (form !== FORM.rec) return void types.push(readSubType(reader, form));
  for (let left = reader.count("types"); left > 0; left -= 1) types.push(readSubType(reader, reader.byte()));
}

function readSubType(reader: BinaryReader, form: number): FunctionType | undefined {
  if (form !== FORM.sub && form !== FORM.subFinal) return readCompositeType(reader, form);
  for (let left = reader.count("supertypes"); left > 0; left -= 1) reader.u32();
  return readCompositeType(reader, reader.byte());
}

function readCompositeType(reader: BinaryReader, form: number): FunctionType | undefined {
  switch (form) {
    case FORM.func:
      return { params: readValueTypes(reader), results: readValueTypes(reader) };
    case FORM.struct:
      for (let left = reader.count("fields"); left > 0; left -= 1) readField(reader);
      return undefined;
    case FORM.array:
      readField(reader);
      return undefined;
    default:
      throw new MalformedModule(`0x${form.toString(16)} is not a form of type`, reader.position - 1);
  }
}

function readField(reader: BinaryReader): void {
  readValueType(reader);
  reader.byte();
}

function readValueTypes(reader: BinaryReader): readonly string[] {
  return Array.from({ length: reader.count("values") }, () => readValueType(reader));
}

/** Reads a value type, a packed type, or a reference type with its heap type. */
export function readValueType(reader: BinaryReader): string {
  const code = reader.byte();
  if (code === 0x63 || code === 0x64) {
    reader.skipLeb(5);
    return "ref";
  }
  return VALUE_TYPES[code] ?? "ref";
}

const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
};
