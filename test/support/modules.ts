import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A real filter module, the C fixture: loads in Envoy, adds `hello: world`. */
export const HELLO_WASM: string = fileURLToPath(new URL("../fixtures/filters/c-hello/filter.wasm", import.meta.url));

/**
 * The C fixture with a custom section of random bytes appended: a loadable module of about `size` bytes whose digest is
 * its own. Custom sections may stand anywhere and mean nothing (WebAssembly core spec, 5.5.3).
 */
function paddedModule(size: number): Uint8Array {
  const base = readFileSync(HELLO_WASM);
  const name = Buffer.from([3, ...Buffer.from("pad")]);
  const padding = Buffer.concat([name, randomBytes(Math.max(16, size - base.length))]);
  return Buffer.concat([base, Buffer.from([0]), leb(padding.length), padding]);
}

/** Writes a padded module and gives its path. */
export function writeModule(dir: string, name: string, size = 2000): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, paddedModule(size));
  return path;
}

function leb(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return Buffer.from(bytes);
}
