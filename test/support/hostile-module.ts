import { CALLBACKS } from "../../src/wasm/callbacks.ts";
import { hostImport, PROXY_MODULE } from "../../src/wasm/host-imports.ts";
import { buildModule, type FunctionSpec, type ImportSpec, signed } from "./wasm-builder.ts";

/** A host call with numbers only: what they point at is in `data`, `at` is the memory at a place, `count` how often it was made. */
export type HostileCall = readonly [name: string, ...args: (number | { readonly at: number } | "count")[]];

/** What a callback does over and over. */
export interface HostileCallback {
  readonly calls: readonly HostileCall[];
  /** Times; without, for ever. */
  readonly times?: number;
  /** What it answers in the end, default 0. */
  readonly answer?: number;
}

/** A module that makes host calls many times. */
export interface HostileProgram {
  /** By export, also `_initialize`. */
  readonly callbacks: Readonly<Record<string, HostileCallback>>;
  readonly data?: Readonly<Record<number, string | Uint8Array>>;
  readonly pages?: number;
  /** Address the allocator always answers; default 32768. */
  readonly allocated?: number;
}

/** Where the count of a loop is kept as it runs, before everything else. */
const COUNTER = 8;

/** Assembles the module. */
export function hostileModule({ callbacks, data = {}, pages = 2, allocated = 32_768 }: HostileProgram): Uint8Array {
  const imports: ImportSpec[] = [];
  const indexes = new Map<string, number>();
  const code = ([name, ...args]: HostileCall): number[] => {
    const type = hostImport(PROXY_MODULE, name)?.type;
    if (type === undefined) throw new Error(`there is no host call ${name}`);
    if (type.params.length !== args.length) throw new Error(`${name} takes ${type.params.length} arguments`);
    let index = indexes.get(name);
    if (index === undefined) {
      index = imports.length;
      indexes.set(name, index);
      imports.push({ name, params: "i".repeat(args.length), result: "i" });
    }
    const pushed = args.flatMap((arg) => {
      if (arg === "count") return load(COUNTER);
      return typeof arg === "number" ? constant(arg) : load(arg.at);
    });
    return [...pushed, 0x10, ...unsigned(index), 0x1a];
  };
  const loop = ({ calls, times }: HostileCallback): number[] => [
    ...constant(COUNTER),
    ...constant(0),
    ...STORE,
    0x03,
    0x40,
    ...calls.flatMap(code),
    ...constant(COUNTER),
    ...load(COUNTER),
    ...constant(1),
    0x6a,
    ...STORE,
    ...(times === undefined ? [0x0c, 0x00] : [...load(COUNTER), ...constant(times), 0x49, 0x0d, 0x00]),
    0x0b,
  ];
  const bodies = Object.entries(callbacks).map(([name, callback]): FunctionSpec => {
    const type = CALLBACKS.find((item) => item.name === name && item.abis.includes("0.2.1"))?.type;
    const result = type?.results.length === 1 ? "i" : "";
    const answer = result === "" ? [] : constant(callback.answer ?? 0);
    return {
      export: name,
      params: "i".repeat(type?.params.length ?? 0),
      result,
      body: [...loop(callback), ...answer],
    };
  });
  return buildModule({
    imports,
    functions: [
      { export: "proxy_abi_version_0_2_1", body: [] },
      { export: "proxy_on_memory_allocate", params: "i", result: "i", body: constant(allocated) },
      ...bodies,
    ],
    memory: { pages },
    data: Object.entries(data).map(([offset, bytes]) => ({
      offset: Number(offset),
      bytes: typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
    })),
  });
}

const STORE: readonly number[] = [0x36, 0x02, 0x00];

function constant(value: number): number[] {
  return [0x41, ...signed(value | 0)];
}

function load(at: number): number[] {
  return [...constant(at), 0x28, 0x02, 0x00];
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
