import fc from "fast-check";
import { encodePairs } from "../../src/host/pairs-codec.ts";
import { CALL_SHAPES } from "../../src/host/trace-shapes.ts";
import { CALLBACKS } from "../../src/wasm/callbacks.ts";
import { PROXY_IMPORTS, WASI_IMPORTS, WASI_MODULES } from "../../src/wasm/host-imports.ts";
import { type GuestArgument, type GuestCall, type GuestProgram, OUT, SCRATCH } from "./guest-program.ts";

/** Text that means something to some host call. */
const NAMES: readonly string[] = [
  "",
  "x",
  "q",
  ":path",
  ":status",
  "host",
  "cookie",
  "set-cookie",
  "content-length",
  "X-Upper",
  "vm",
  "up",
  "empty",
  "nobody",
  "request\0path",
  "request\0headers",
  "source\0port",
  "filter_state\0wasm.x",
  "metadata",

  "compress",
  "uncompress",
  "sign",
  "verify_signature",
  "set_envoy_filter_state",
  "clear_route_cache",
  "declare_property",
  "expr_create",
  "planted",
  "\u00ff\u0000",
];

/** Numbers near the borders of enumerations, of results, of the memory, and of 32 bits. */
const edges: readonly number[] = [
  OUT,
  OUT + 4,
  OUT + 6,
  SCRATCH,
  8192,
  65_535,
  65_536,
  131_064,
  131_068,
  131_070,
  131_072,
  131_073,
  -1,
  -4,
  -8,
  0x7fff_ffff,
  -0x8000_0000,
  403,
  1000,
];

const numbers: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 13 }) },
  { weight: 3, arbitrary: fc.constantFrom(...edges) },
  { weight: 1, arbitrary: fc.integer() },
);

const places: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(OUT, OUT + 4, OUT + 8, OUT + 16) },
  { weight: 1, arbitrary: fc.constantFrom(...edges) },
);

const texts: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(":path", "host", "cookie", ":status", "q", "x", "up", "request\0path") },
  { weight: 3, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
);

const pairBytes: fc.Arbitrary<Uint8Array> = fc
  .array(fc.tuple(fc.constantFrom(":method", ":path", ":authority", "host", "x-a", "A"), fc.string({ maxLength: 5 })), {
    maxLength: 6,
  })
  .map((pairs) =>
    encodePairs(pairs.flat().map((text) => Array.from(text, (each) => (each > "\u00ff" ? "?" : each)).join(""))),
  );

/** Serialised pairs, sound or with some bytes changed or missing. */
const pairs: fc.Arbitrary<Uint8Array> = fc
  .tuple(pairBytes, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 3 }), fc.nat(4))
  .map(([bytes, changes, cut]) => {
    const damaged = bytes.slice(0, Math.max(0, bytes.length - (changes.length === 0 ? 0 : cut)));
    for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
    return damaged;
  });

const rawRange: fc.Arbitrary<GuestArgument[]> = fc.tuple(numbers, numbers).map((both) => [...both]);

function some(sound: fc.Arbitrary<GuestArgument>): fc.Arbitrary<GuestArgument[]> {
  return fc.oneof({ weight: 5, arbitrary: sound.map((one) => [one]) }, { weight: 1, arbitrary: rawRange });
}

/** The arguments of one word of a call's shape (`trace-shapes.ts`). */
function wordArguments(word: string): fc.Arbitrary<GuestArgument[]> {
  switch (word) {
    case ">text":
    case ">bytes":
    case ">pairs":
    case ">value":
      return fc.tuple(places, places).map((both) => [...both]);
    case "text":
    case "path":
    case "target":
      return some(texts);
    case "bytes":
      return some(fc.oneof<fc.Arbitrary<GuestArgument>[]>(fc.uint8Array({ maxLength: 60 }), texts));
    case "pairs":
      return some(pairs);
    default:
      return word.startsWith(">") ? places.map((place) => [place]) : numbers.map((number) => [number]);
  }
}

/** A call of any function a proxy has, with arguments of the right number and of any kind. */
export function guestCalls(only: (name: string) => boolean = () => true): fc.Arbitrary<GuestCall> {
  const proxy = PROXY_IMPORTS.filter(({ abis }) => abis.includes("0.2.1")).map((item) => ({ module: "env", ...item }));
  const wasi = WASI_IMPORTS.map((item, at) => ({ module: WASI_MODULES[at % 2] ?? "", ...item }));
  const groups = [proxy, proxy, proxy, proxy, wasi].map((group) => group.filter(({ name }) => only(name)));
  const functions = fc
    .constantFrom(...groups.filter((group) => group.length > 0))
    .chain((group) => fc.constantFrom(...group));
  return functions.chain(({ module, name, type }) => {
    const shaped = CALL_SHAPES.get(name);
    const args =
      type.params.includes("i64") || shaped === undefined ? rawArguments(type.params) : shapedArguments(shaped);
    return args.map((given) => ({ module, name, args: given }));
  });
}

function rawArguments(params: readonly string[]): fc.Arbitrary<GuestArgument[]> {
  const each = params.map((type) => (type === "i64" ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) : numbers));
  return fc.tuple(...each).map((given) => [...given]);
}

function shapedArguments(words: readonly string[]): fc.Arbitrary<GuestArgument[]> {
  return fc.tuple(...words.map(wordArguments)).map((given) => given.flat());
}

/** Callbacks, and what may be answered there. */
const callbackNames: readonly string[] = Array.from(
  new Set(CALLBACKS.filter(({ abis }) => abis.includes("0.2.1")).map(({ name }) => name)),
);

/** What the guest may call while it starts and allocates: anything else ends it there. */
const early: ReadonlySet<string> = new Set(["proxy_log", "fd_write", "clock_time_get", "poll_oneoff"]);

const fewCalls: fc.Arbitrary<GuestCall[]> = fc.array(guestCalls(), { maxLength: 6 });
const someCalls: fc.Arbitrary<GuestCall[]> = fc.array(guestCalls(), { minLength: 3, maxLength: 12 });

/** Where most can be done: in nearly every program. */
const main: fc.Arbitrary<Record<string, GuestCall[]>> = fc.record(
  {
    proxy_on_configure: someCalls,
    proxy_on_tick: someCalls,
    proxy_on_request_headers: someCalls,
    proxy_on_request_body: someCalls,
    proxy_on_response_headers: someCalls,
    proxy_on_response_body: someCalls,
    proxy_on_http_call_response: someCalls,
    proxy_on_grpc_receive_initial_metadata: someCalls,
  },
  { requiredKeys: [] },
);

/** Calls that are made early: mostly allowed ones. */
const earlyCalls: fc.Arbitrary<GuestCall[]> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<GuestCall[]>([]) },
  {
    weight: 3,
    arbitrary: fc.array(
      guestCalls((name) => early.has(name)),
      { maxLength: 2 },
    ),
  },
  { weight: 1, arbitrary: fc.array(guestCalls(), { maxLength: 2 }) },
);

/** A guest that calls anything from anywhere, and whose allocator may be of no use. */
export const guestPrograms: fc.Arbitrary<GuestProgram> = fc
  .record({
    main,
    callbacks: fc.uniqueArray(fc.tuple(fc.constantFrom(...callbackNames), fewCalls), {
      selector: ([name]) => name,
      maxLength: 14,
    }),
    answers: fc.array(fc.tuple(fc.constantFrom(...callbackNames), fc.integer({ min: 0, max: 5 })), { maxLength: 4 }),
    start: fc.option(earlyCalls, { nil: undefined, freq: 2 }),
    initialize: earlyCalls,
    allocator: earlyCalls,
    allocated: fc.oneof(
      { weight: 6, arbitrary: fc.constant(SCRATCH) },
      { weight: 1, arbitrary: fc.constantFrom(0, -1, 131_071, 131_072, 0x7fff_ffff, OUT) },
    ),
  })
  .map(({ main: first, callbacks, answers, start, ...rest }) => ({
    ...rest,
    callbacks: { ...Object.fromEntries(callbacks), ...first },
    answers: { proxy_on_vm_start: 1, proxy_on_configure: 1, ...Object.fromEntries(answers) },
    ...(start === undefined ? {} : { start }),
  }));
