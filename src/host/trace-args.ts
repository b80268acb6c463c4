import { readGrpcService } from "./grpc-service.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { CallScope } from "./host-calls/scope.ts";
import { decodePairs } from "./pairs-codec.ts";
import { Status } from "./status.ts";
import { CALL_SHAPES, WORD_NAMES } from "./trace-shapes.ts";
import type { HostFunction, WasmValue } from "./webassembly.ts";

/** A value as a trace shows it. */
export type ShownValue = string | number | bigint;

/** The host call, telling the trace of each call when it is over. */
export function tracedCall(scope: CallScope, name: string, call: HostFunction): HostFunction {
  const { memory, environment } = scope;
  return (...args: WasmValue[]): WasmValue | void => {
    const { id } = scope.context;
    const shown = showArguments(memory, name, args);
    const status = (call as (...given: WasmValue[]) => WasmValue | void)(...args);
    const answer = typeof status === "number" ? status : 0;
    const result = answer === Status.ok ? showResult(memory, name, args) : undefined;
    environment.trace?.({ type: "call", contextId: id, name, args: shown, status: answer, result });
    return status;
  };
}

/** The arguments as a person reads them: text decoded, numbers of enumerations by name, long values shortened. */
export function showArguments(memory: GuestMemory, name: string, args: readonly WasmValue[]): ShownValue[] {
  return placed(name, args).flatMap(({ word, out, values }) => (out ? [] : [show(memory, word, values)]));
}

/** What a call that went well handed back, `undefined` for nothing; several values are joined with commas. */
export function showResult(memory: GuestMemory, name: string, args: readonly WasmValue[]): ShownValue | undefined {
  const results = placed(name, args).flatMap(({ word, out, values }) => (out ? [read(memory, word, values)] : []));
  const [first] = results;
  return results.length > 1 ? results.join(", ") : first;
}

interface Placed {
  readonly word: string;
  /** Where a result goes. */
  readonly out: boolean;
  readonly values: readonly WasmValue[];
}

/** The arguments by the words of the call; of a call nobody knows each as a number. */
function placed(name: string, args: readonly WasmValue[]): Placed[] {
  const words = CALL_SHAPES.get(name) ?? args.map(() => "signed");
  let at = 0;
  return words.map((given) => {
    const out = given.startsWith(">");
    const word = out ? given.slice(1) : given;
    const width = TWO_WIDE.has(word) ? 2 : 1;
    at += width;
    return { word, out, values: args.slice(at - width, at) };
  });
}

function show(memory: GuestMemory, word: string, values: readonly WasmValue[]): ShownValue {
  const [first = 0, second = 0] = values;
  if (typeof first === "bigint") return first;
  if (TWO_WIDE.has(word)) return showBytes(memory, word, first, Number(second));
  if (word === "signed") return first;
  const names = WORD_NAMES.get(word);
  return names?.[first >>> 0] ?? (names === undefined ? first >>> 0 : `${word} ${first >>> 0}`);
}

/** Follows the pointers of a result. */
function read(memory: GuestMemory, word: string, values: readonly WasmValue[]): ShownValue {
  const [place, lengthPlace] = values.map(Number);
  const value = memory.readU32(place ?? 0);
  if (value === undefined) return "nothing";
  if (word === "u64") return readU64(memory, place ?? 0);
  if (!TWO_WIDE.has(word)) return show(memory, word, [value]);
  return showBytes(memory, word, value, memory.readU32(lengthPlace ?? 0) ?? 0);
}

function readU64(memory: GuestMemory, place: number): bigint {
  const low = BigInt(memory.readU32(place) ?? 0);
  return (BigInt(memory.readU32(place + 4) ?? 0) << 32n) | low;
}

function showBytes(memory: GuestMemory, word: string, pointer: number, length: number): ShownValue {
  const bytes = memory.view(pointer, length);
  if (bytes === undefined) return `out of bounds: ${length >>> 0} bytes at ${pointer >>> 0}`;
  if (word === "pairs") return showPairs(bytes);
  if (word === "path") return plain(bytes)?.replace(/\0$/u, "").replaceAll("\0", ".") ?? hexadecimal(bytes);
  if (word === "value") return showProperty(bytes);
  if (word === "target") return readGrpcService(bytes)?.cluster ?? "a GrpcService without a target";
  const text = printable(bytes);
  return text === undefined ? hexadecimal(bytes) : shortened(text, bytes.length);
}

/** Properties do not tell their type: what is no text and has the size of a number is one. */
function showProperty(bytes: Uint8Array): ShownValue {
  const text = printable(bytes);
  if (text !== undefined) return shortened(text, bytes.length);
  if (bytes.length === 1) return bytes[0] ?? 0;
  if (bytes.length === 8) return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true);
  const { flat, problem } = decodePairs(bytes);
  return problem === undefined ? joined(flat) : hexadecimal(bytes);
}

function showPairs(bytes: Uint8Array): string {
  const { flat, problem } = decodePairs(bytes);
  return problem === undefined ? joined(flat) : `malformed pairs: ${problem}`;
}

function joined(flat: readonly string[]): string {
  const pairs = flat.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${flat[at + 1] ?? ""}`] : []));
  const text = pairs.join("; ");
  return shortened(text, text.length);
}

/** Text a terminal can show as it is; `undefined` for anything else. */
function printable(bytes: Uint8Array): string | undefined {
  const text = plain(bytes);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text === undefined || /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/u.test(text) ? undefined : text;
}

function plain(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function shortened(text: string, bytes: number): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${bytes} bytes)`;
}

function hexadecimal(bytes: Uint8Array): string {
  const digits = Array.from(bytes.subarray(0, HEX_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return bytes.length <= HEX_BYTES ? `0x${digits}` : `0x${digits}… (${bytes.length} bytes)`;
}

const TWO_WIDE: ReadonlySet<string> = new Set(["text", "bytes", "pairs", "path", "value", "target"]);
const LONGEST = 200;
const HEX_BYTES = 32;
