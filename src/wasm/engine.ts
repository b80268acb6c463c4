/** The part of the `WebAssembly` global that checking needs; Node's types leave it to the browser's library. */
interface WasmEngine {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
}

/** What this program's own engine says to a module's code. */
export type EngineVerdict =
  | { readonly verdict: "valid" }
  /** The code breaks the rules: every engine refuses it. */
  | { readonly verdict: "invalid"; readonly reason: string }
  /** It uses a proposal this engine has switched off; a newer proxy may well run it. */
  | { readonly verdict: "unsupported"; readonly reason: string };

const SWITCHED_OFF = /enable with --experimental|--wasm-|not enabled|unsupported/iu;

/** Validates all of the module, functions included. */
export function validateCode(bytes: Uint8Array): EngineVerdict {
  const engine = (globalThis as unknown as { readonly WebAssembly: WasmEngine }).WebAssembly;
  if (engine.validate(bytes)) return { verdict: "valid" };
  const reason = refusal(engine, bytes);
  return { verdict: SWITCHED_OFF.test(reason) ? "unsupported" : "invalid", reason };
}

function refusal(engine: WasmEngine, bytes: Uint8Array): string {
  try {
    // oxlint-disable-next-line no-new -- only the error of a failed compilation is wanted
    new engine.Module(bytes);
    return "the engine does not accept it";
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replace(/^WebAssembly\.Module\(\):\s*/u, "");
  }
}
