/**
 * A module that does nothing: every callback of an HTTP filter is there and says to go on. What a stream through it costs
 * is what the host and the calls cost, whatever the filter.
 */
export function emptyFilter(): Uint8Array {
  const functions = [...FUNCTIONS.entries()];
  const types = functions.map(([, { parameters, result }]) => functionType(parameters, result));
  const exports = functions.map(([name], index) => [...text(name), 0x00, ...number(index)]);
  const bodies = functions.map(([, { result }]) => sized(result ? [0x00, 0x41, 0x00, 0x0b] : [0x00, 0x0b]));
  return Uint8Array.from([
    ...HEADER,
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, index) => number(index)))),
    ...section(5, vector([[0x00, 0x01]])),
    ...section(7, vector([...exports, [...text("memory"), 0x02, 0x00]])),
    ...section(10, vector(bodies)),
  ]);
}

interface Shape {
  /** How many i32 it takes. */
  readonly parameters: number;
  /** Whether it gives an i32. */
  readonly result: boolean;
}

const FUNCTIONS: ReadonlyMap<string, Shape> = new Map([
  ["proxy_abi_version_0_2_1", { parameters: 0, result: false }],
  ["malloc", { parameters: 1, result: true }],
  ["proxy_on_context_create", { parameters: 2, result: false }],
  ["proxy_on_request_headers", { parameters: 3, result: true }],
  ["proxy_on_request_body", { parameters: 3, result: true }],
  ["proxy_on_request_trailers", { parameters: 2, result: true }],
  ["proxy_on_response_headers", { parameters: 3, result: true }],
  ["proxy_on_response_body", { parameters: 3, result: true }],
  ["proxy_on_response_trailers", { parameters: 2, result: true }],
  ["proxy_on_log", { parameters: 1, result: false }],
  ["proxy_on_delete", { parameters: 1, result: false }],
]);

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const I32 = 0x7f;

function functionType(parameters: number, result: boolean): number[] {
  return [0x60, ...number(parameters), ...Array.from({ length: parameters }, () => I32), ...(result ? [1, I32] : [0])];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function sized(content: readonly number[]): number[] {
  return [...number(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...number(items.length), ...items.flat()];
}

function text(name: string): number[] {
  return sized(Array.from(name, (character) => character.charCodeAt(0)));
}

/** LEB128, unsigned. */
function number(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...number(value >>> 7)];
}
