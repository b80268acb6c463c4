import { setFlagsFromString } from "node:v8";

/**
 * Limits the memory of every guest of this process to so many mebibytes, from now on and in all its threads: `memory.grow`
 * beyond it fails, and a module that declares more is not instantiated. What `watchMemory` sees only after the fact,
 * the engine refuses here. For programs that must outlive any guest; call it before the first one is loaded.
 */
export function limitGuestMemory(megabytes: number): void {
  setFlagsFromString(`--wasm-max-mem-pages=${megabytes * PAGES_PER_MEBIBYTE}`);
}

const PAGES_PER_MEBIBYTE = 16;
