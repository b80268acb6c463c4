import { CALLBACKS } from "../../src/wasm/callbacks.ts";
import { hostImport, PROXY_MODULE } from "../../src/wasm/host-imports.ts";
import type { FunctionType } from "../../src/wasm/types.ts";
import { buildModule, type FunctionSpec, type ImportSpec, signed } from "./wasm-builder.ts";

/** Where a call's argument comes from: a number, text or bytes (which become two arguments), or the memory at a place. */
export type GuestArgument = number | bigint | string | Uint8Array | { readonly at: number };

/** One host call a generated guest makes; `module` is `env` unless said otherwise. */
export interface GuestCall {
  readonly name: string;
  readonly args: readonly GuestArgument[];
  readonly module?: string;
}

/** A host call in short. */
export function call(name: string, ...args: GuestArgument[]): GuestCall {
  return { name, args };
}

/** What a generated guest does. */
export interface GuestProgram {
  /** By export: the calls made in it, in order. Callbacks that are not named are not exported. */
  readonly callbacks?: Readonly<Record<string, readonly GuestCall[]>>;
  /** What callbacks answer, 1 where nothing is said: by export. */
  readonly answers?: Readonly<Record<string, number>>;
  /** Made by the start section. */
  readonly start?: readonly GuestCall[];
  /** Made by `_initialize`. */
  readonly initialize?: readonly GuestCall[];
  /** Made by the allocator before it answers. */
  readonly allocator?: readonly GuestCall[];
  /** What the allocator answers, always; default {@link SCRATCH}. */
  readonly allocated?: number;
  /** Names of the allocator; those after the first trap when they are called. Default `proxy_on_memory_allocate`. */
  readonly allocators?: readonly string[];
  /** Each callback logs the statuses of its calls at the end, at level info: `#` and a letter for each, `A` for 0. */
  readonly logStatuses?: boolean;
  /** Default `_initialize`. */
  readonly entry?: "_initialize" | "_start" | "none";
  readonly marker?: string;
  readonly pages?: number;
}

/** Where the allocator hands out memory: 8 KiB that nothing else uses. */
export const SCRATCH = 1024;

/** Places for results: `OUT`, `OUT + 4`, … up to 1 KiB. */
export const OUT = 64;

/** A module that makes these calls. Text and bytes lie behind the first 16 KiB of its memory. */
export function guestModule(program: GuestProgram): Uint8Array {
  const data = new DataArea();
  const imports = new Imports();
  const { callbacks = {}, answers = {}, start, initialize, allocator } = program;
  const { entry = "_initialize", allocators = ["proxy_on_memory_allocate"] } = program;
  const body = (calls: readonly GuestCall[] | undefined): number[] =>
    (calls ?? []).flatMap((made) => imports.code(made, data));
  const functions: FunctionSpec[] = [
    { export: program.marker ?? "proxy_abi_version_0_2_1" },
    { body: body(start) },
    entry === "none" ? {} : { export: entry, body: body(initialize) },
    ...allocators.map((name, at) => ({
      export: name,
      params: "i",
      result: "i",
      body: at > 0 ? UNREACHABLE : [...body(allocator), 0x41, ...signed(program.allocated ?? SCRATCH)],
    })),
    ...Object.entries(callbacks).map(([name, calls]) => {
      const { params, results } = typeOf(name, program.marker);
      const answer = results.length === 0 ? [] : [0x41, ...signed(answers[name] ?? 1)];
      const made = program.logStatuses === true ? imports.logged(calls, data) : body(calls);
      return { export: name, params: letters(params), result: letters(results), body: [...made, ...answer] };
    }),
  ];
  return buildModule({
    imports: imports.specs,
    functions,
    memory: { pages: program.pages ?? 2 },
    data: data.segments,
    ...(start === undefined ? {} : { start: 1 }),
  });
}

/** Where statuses are kept: 512 bytes that nothing else uses. */
const STATUSES = 512;
const LETTER_A = 0x41;
const HASH = 0x23;
const UNREACHABLE: readonly number[] = [0x00];

function typeOf(callback: string, marker = "proxy_abi_version_0_2_1"): FunctionType {
  const abi = marker.replace("proxy_abi_version_", "").replaceAll("_", ".");
  const found = CALLBACKS.find((item) => item.name === callback && item.abis.some((each) => each === abi));
  if (found === undefined) throw new Error(`there is no callback ${callback} in ABI ${abi}`);
  return found.type;
}

function letters(types: readonly string[]): string {
  return types.map((type) => (type === "i64" ? "l" : "i")).join("");
}

class DataArea {
  readonly segments: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #top = 16_384;

  place(bytes: Uint8Array): number {
    const offset = this.#top;
    if (bytes.length > 0) this.segments.push({ offset, bytes });
    this.#top += bytes.length;
    return offset;
  }
}

class Imports {
  readonly specs: ImportSpec[] = [];
  readonly #indexes = new Map<string, number>();

  /** Makes the calls, keeps their statuses as letters, and logs those. */
  logged(calls: readonly GuestCall[], data: DataArea): number[] {
    const kept = calls.flatMap((made, at) => {
      const store = [0x41, ...signed(LETTER_A), 0x6a, 0x3a, 0x00, 0x00];
      return [0x41, ...signed(STATUSES + 1 + at), ...this.code(made, data).slice(0, -1), ...store];
    });
    const mark = [0x41, ...signed(STATUSES), 0x41, ...signed(HASH), 0x3a, 0x00, 0x00];
    const log = this.code({ name: "proxy_log", args: [2, STATUSES, calls.length + 1] }, data);
    return [...kept, ...mark, ...log];
  }

  code({ name, module = PROXY_MODULE, args }: GuestCall, data: DataArea): number[] {
    const type = hostImport(module, name)?.type;
    if (type === undefined) throw new Error(`there is no host call ${name}`);
    const pushed = args.flatMap((arg) => instructions(arg, data));
    return [
      ...pushed.flat(),
      0x10,
      ...unsigned(this.#index(module, name, type)),
      ...(type.results.length > 0 ? [0x1a] : []),
    ];
  }

  #index(module: string, name: string, type: FunctionType): number {
    const key = `${module}.${name}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.specs.push({ module, name, params: letters(type.params), result: letters(type.results) });
    this.#indexes.set(key, this.specs.length - 1);
    return this.specs.length - 1;
  }
}

/** The instructions that push an argument. */
function instructions(arg: GuestArgument, data: DataArea): number[][] {
  if (typeof arg === "number") return [[0x41, ...signed(arg | 0)]];
  if (typeof arg === "bigint") return [[0x42, ...signed64(arg)]];
  if (typeof arg === "object" && "at" in arg && !(arg instanceof Uint8Array)) {
    return [[0x41, ...signed(arg.at), 0x28, 0x02, 0x00]];
  }
  const bytes = typeof arg === "string" ? new TextEncoder().encode(arg) : arg;
  return [
    [0x41, ...signed(data.place(bytes))],
    [0x41, ...signed(bytes.length)],
  ];
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed64(value: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asIntN(64, value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    out.push(done ? low : low | 0x80);
    if (done) return out;
  }
}
