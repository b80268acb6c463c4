import { webAssembly } from "./webassembly.ts";

/** Thrown through the guest to end it: what it did is not allowed there. The message is the engine's in Envoy. */
export class GuestAbort extends Error {
  override readonly name: string = "GuestAbort";
}

/**
 * What ended the guest, in the words of Envoy's engine and with the guest's stack where names are known. `undefined` for
 * an error that is not the guest's: a fault of the host or of whoever drives it.
 */
export function describeTrap(error: unknown, callback: string): string | undefined {
  const what = nameTrap(error);
  if (what === undefined) return undefined;
  const where = callback === START_SECTION ? "Failed to create new Wasm instance" : `Function: ${callback} failed`;
  return `${where}: Uncaught ${what}${backtrace(error)}`;
}

function nameTrap(error: unknown): string | undefined {
  if (error instanceof GuestAbort) return `Error: ${error.message}`;
  if (error instanceof RangeError && /call stack/u.test(error.message))
    return "RangeError: Maximum call stack size exceeded (stack overflow)";
  if (error instanceof webAssembly().RuntimeError) return `RuntimeError: ${error.message}`;
  const { Exception } = webAssembly();
  if (Exception !== undefined && error instanceof Exception) return "wasm exception";
  return undefined;
}

/** Stands for the callback while the instance is made, which runs the start section. */
export const START_SECTION = "the start section";

const FRAME = /^\s*at (?:(?<name>.+?) \()?wasm:\/\/wasm\/.*wasm-function\[(?<index>\d+)\]:(?<offset>0x[\da-f]+)\)?$/u;
const MAX_FRAMES = 20;

function backtrace(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frames = stack.split("\n").flatMap((line) => {
    const groups = FRAME.exec(line)?.groups;
    return groups === undefined ? [] : [groups];
  });
  // As in Envoy: without names there is nothing to see.
  if (frames.every((frame) => frame["name"] === undefined)) return "";
  const lines = frames
    .slice(0, MAX_FRAMES)
    .map((frame, at) => `  ${at}:  ${frame["offset"]} - ${nameOf(frame["name"], frame["index"])}`);
  return ["\nProxy-Wasm plugin in-VM backtrace:", ...lines].join("\n");
}

/** V8 puts a hash of the module before names: `wasm-1a2b3c4d.filter`. */
function nameOf(name: string | undefined, index: string | undefined): string {
  return name?.replace(/^(?:wasm-)?[\da-f]{8}\./u, "") ?? `function ${index}`;
}
