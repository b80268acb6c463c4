/** What a file is, by its first bytes. */
export type FileKind =
  | { readonly kind: "module" }
  | { readonly kind: "component" }
  /** Wasm magic, but a version nobody has defined. */
  | { readonly kind: "unknown-version" }
  /** Not wasm; `looksLike` names what it is when that is plain. */
  | { readonly kind: "other"; readonly looksLike: string | undefined };

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const MODULE_VERSION = [0x01, 0x00, 0x00, 0x00];
/** Half of the version word of a component is its layer, 1 (component model, Binary.md). */
const COMPONENT_LAYER = 1;

/** Tells modules and components from everything else that gets passed for one. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (startsWith(bytes, MAGIC)) {
    if (startsWith(bytes.subarray(4), MODULE_VERSION)) return { kind: "module" };
    if (bytes.length >= 8 && bytes[6] === COMPONENT_LAYER && bytes[7] === 0) return { kind: "component" };
    if (bytes.length < 8) return { kind: "module" }; // cut off: reading it says so
    return { kind: "unknown-version" };
  }
  return { kind: "other", looksLike: LOOKS.find((look) => look.test(bytes))?.name };
}

interface Look {
  readonly name: string;
  readonly test: (bytes: Uint8Array) => boolean;
}

const LOOKS: readonly Look[] = [
  { name: "an empty file", test: (bytes) => bytes.length === 0 },
  { name: "gzip data", test: (bytes) => startsWith(bytes, [0x1f, 0x8b]) },
  { name: "a zip archive", test: (bytes) => startsWith(bytes, [0x50, 0x4b, 0x03, 0x04]) },
  { name: "a program for this machine (ELF)", test: (bytes) => startsWith(bytes, [0x7f, 0x45, 0x4c, 0x46]) },
  { name: "LLVM bitcode", test: (bytes) => startsWith(bytes, [0x42, 0x43, 0xc0, 0xde]) },
  { name: "a tar archive", test: (bytes) => ascii(bytes, 257, 262) === "ustar" },
  {
    name: "WebAssembly text",
    test: (bytes) => /^\s*(?:;;[^\n]*\s*)*\((?:module|component)\b/u.test(ascii(bytes, 0, 512)),
  },
  { name: "an HTML page", test: (bytes) => /^\s*<(?:!doctype|html)/iu.test(ascii(bytes, 0, 64)) },
  { name: "JSON", test: (bytes) => /^\s*[{[]/u.test(ascii(bytes, 0, 64)) },
];

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, at) => bytes[at] === byte);
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}
