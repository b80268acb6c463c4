import { gunzipSync } from "node:zlib";

/**
 * What Istio's agent takes out of a downloaded body: a module as it is, out of gzip, or the first file of a tar, in any
 * nesting. What cannot be opened comes back as it came; the checksum will not match then.
 */
export function unbox(body: Buffer): Buffer {
  let inner = body;
  for (;;) {
    if (isModule(inner)) return inner;
    const opened = isGzip(inner) ? gunzip(inner) : isTar(inner) ? firstFile(inner) : undefined;
    if (opened === undefined) return body;
    inner = opened;
  }
}

/** At least a header of eight bytes that starts as WebAssembly does. */
export function isModule(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.subarray(0, 4).equals(MAGIC);
}

/** The files of a tar by their whole name, long names of GNU and pax left out: image layers with one module need none. */
export function* tarFiles(archive: Buffer): Generator<{ readonly name: string; readonly content: Buffer }> {
  for (let offset = 0; offset + BLOCK <= archive.length;) {
    const header = archive.subarray(offset, offset + BLOCK);
    const name = textOf(header.subarray(0, 100));
    if (name === "") return;
    const size = Number.parseInt(textOf(header.subarray(124, 136)).trim(), 8);
    if (!Number.isSafeInteger(size) || offset + BLOCK + size > archive.length) return;
    const type = textOf(header.subarray(156, 157));
    const start = offset + BLOCK;
    if (type === "" || type === "0") yield { name, content: archive.subarray(start, start + size) };
    offset = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

const MAGIC = Buffer.from([0, 0x61, 0x73, 0x6d]);
const BLOCK = 512;

function isGzip(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function isTar(bytes: Buffer): boolean {
  return bytes.length > 262 && bytes.subarray(257, 262).toString("latin1") === "ustar";
}

function gunzip(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes);
  } catch {
    return undefined;
  }
}

function firstFile(archive: Buffer): Buffer | undefined {
  for (const { content } of tarFiles(archive)) return content;
  return undefined;
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? field.length : end).toString("latin1");
}
