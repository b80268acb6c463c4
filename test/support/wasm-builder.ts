/** A function type in short: parameters and result as letters (`i` i32, `l` i64, `f` f32, `d` f64). */
export interface FunctionShape {
  readonly params?: string;
  readonly result?: string;
  /** The instructions without locals and `end`; by default a constant 1 of the result's type. */
  readonly body?: readonly number[];
}

/** One import. */
export type ImportSpec =
  | ({ readonly kind?: "func"; readonly module?: string; readonly name: string } & FunctionShape)
  | { readonly kind: "global" | "memory" | "table"; readonly module?: string; readonly name: string };

/** A function of the module; `export` gives it one name or several, in export order. */
export type FunctionSpec = FunctionShape & { readonly export?: string | readonly string[] };

/** What {@link buildModule} assembles. */
export interface ModuleSpec {
  readonly imports?: readonly ImportSpec[];
  readonly functions?: readonly FunctionSpec[];
  /** Pages, and the name it is exported under; `false` leaves the memory out. Default one page as `memory`. */
  readonly memory?: false | { readonly pages?: number; readonly export?: string | false };
  /** Exports a global under this name (before the functions). */
  readonly exportedGlobal?: string;
  readonly custom?: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  /** Index of the start function among `functions`. */
  readonly start?: number;
  /** What the memory holds at first. */
  readonly data?: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** Assembles a module: valid wasm unless the bodies or types given are not. */
export function buildModule(spec: ModuleSpec): Uint8Array {
  const imports = spec.imports ?? [];
  const functions = spec.functions ?? [];
  const types = new TypeTable();
  const importEntries = imports.map((item) => [
    ...text(item.module ?? "env"),
    ...text(item.name),
    ...importKind(item, types),
  ]);
  const typeIndexes = functions.map((item) => leb(types.indexOf(item)));
  const firstFunction = imports.filter((item) => (item.kind ?? "func") === "func").length;
  const memory = spec.memory === false ? undefined : { pages: 1, export: "memory" as string | false, ...spec.memory };
  const bytes = [
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, vector(types.entries)),
    ...section(2, vector(importEntries)),
    ...section(3, vector(typeIndexes)),
    ...(memory === undefined ? [] : section(5, vector([[0x00, ...leb(memory.pages)]]))),
    ...(spec.exportedGlobal === undefined ? [] : section(6, vector([[0x7f, 0x00, 0x41, 0x00, 0x0b]]))),
    ...section(7, vector(exportsOf(spec, memory?.export, firstFunction))),
    ...(spec.start === undefined ? [] : section(8, leb(firstFunction + spec.start))),
    ...section(10, vector(functions.map(codeEntry))),
    ...section(11, vector((spec.data ?? []).map(dataEntry))),
    ...(spec.custom ?? []).flatMap((item) => customSection(item.name, item.bytes)),
  ];
  return Uint8Array.from(bytes);
}

/** The functions every loadable filter has: marker, allocator and entry. */
export function filterFunctions(marker = "proxy_abi_version_0_2_1"): FunctionSpec[] {
  return [
    { export: marker },
    { export: "proxy_on_memory_allocate", params: "i", result: "i", body: [0x41, ...signed(1024)] },
    { export: "_initialize" },
  ];
}

/** A module that a proxy loads, with more imports and functions as given. */
export function filterModule(more: ModuleSpec = {}, marker?: string): Uint8Array {
  return buildModule({ ...more, functions: [...filterFunctions(marker), ...(more.functions ?? [])] });
}

/** The content of a `producers` section: field name → [name, version] pairs. */
export function producersSection(fields: Readonly<Record<string, readonly (readonly [string, string])[]>>): {
  readonly name: string;
  readonly bytes: Uint8Array;
} {
  const entries = Object.entries(fields).map(([field, values]) => [
    ...text(field),
    ...vector(values.map(([name, version]) => [...text(name), ...text(version)])),
  ]);
  return { name: "producers", bytes: Uint8Array.from(vector(entries)) };
}

/** A whole custom section, id and size included. */
function customSection(name: string, bytes: Uint8Array): number[] {
  return section(0, [...text(name), ...bytes]);
}

/** A section of any id. */
export function section(id: number, body: readonly number[]): number[] {
  return body.length === 0 || (body.length === 1 && body[0] === 0) ? [] : [id, ...leb(body.length), ...body];
}

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

/** A list of encoded entries with its count. */
function vector(entries: readonly (readonly number[])[]): number[] {
  return [...leb(entries.length), ...entries.flat()];
}

/** A name: length and UTF-8. */
export function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...leb(bytes.length), ...bytes];
}

const VALUE_TYPES: Readonly<Record<string, number>> = { i: 0x7f, l: 0x7e, f: 0x7d, d: 0x7c };
const CONSTANT_ONE: Readonly<Record<string, readonly number[]>> = {
  i: [0x41, 0x01],
  l: [0x42, 0x01],
  f: [0x43, 0, 0, 0x80, 0x3f],
  d: [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
};

class TypeTable {
  readonly entries: number[][] = [];
  readonly #known = new Map<string, number>();

  indexOf(shape: FunctionShape): number {
    const key = `${shape.params ?? ""}>${shape.result ?? ""}`;
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    this.entries.push([0x60, ...vector(valueTypes(shape.params)), ...vector(valueTypes(shape.result))]);
    this.#known.set(key, this.entries.length - 1);
    return this.entries.length - 1;
  }
}

function valueTypes(letters = ""): number[][] {
  return Array.from(letters, (letter) => [VALUE_TYPES[letter] ?? 0]);
}

function importKind(item: ImportSpec, types: TypeTable): number[] {
  switch (item.kind) {
    case "global":
      return [0x03, 0x7f, 0x00];
    case "memory":
      return [0x02, 0x00, 0x01];
    case "table":
      return [0x01, 0x70, 0x00, 0x01];
    case "func":
    case undefined:
    default:
      return [0x00, ...leb(types.indexOf(item))];
  }
}

function exportsOf(spec: ModuleSpec, memory: string | false | undefined, firstFunction: number): number[][] {
  const entries: number[][] = [];
  if (typeof memory === "string") entries.push([...text(memory), 0x02, 0x00]);
  if (spec.exportedGlobal !== undefined) entries.push([...text(spec.exportedGlobal), 0x03, 0x00]);
  (spec.functions ?? []).forEach((item, at) => {
    const names = typeof item.export === "string" ? [item.export] : (item.export ?? []);
    for (const name of names) entries.push([...text(name), 0x00, ...leb(firstFunction + at)]);
  });
  return entries;
}

function codeEntry(item: FunctionSpec): number[] {
  const body = [0x00, ...(item.body ?? CONSTANT_ONE[item.result ?? ""] ?? []), 0x0b];
  return [...leb(body.length), ...body];
}

function dataEntry({ offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array }): number[] {
  return [0x00, 0x41, ...signed(offset), 0x0b, ...leb(bytes.length), ...bytes];
}

/** Signed LEB128, as `i32.const` takes it. */
export function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    out.push(done ? low : low | 0x80);
    if (done) return out;
  }
}
