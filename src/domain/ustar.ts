/** Tar archives are made of blocks of this many bytes (POSIX pax, "ustar Interchange Format"). */
export const TAR_BLOCK = 512;

/** A header block as read. */
export interface TarHeader {
  /** With the prefix field, unless a pax or GNU long name overrides it. */
  readonly name: string;
  /** Bytes of content that follow, before padding. */
  readonly size: number;
  /** The type flag: `0` for a regular file. */
  readonly type: string;
}

/**
 * A header for a regular file, mode 0644, owner 0: equal content makes equal archives. `name` is ASCII, `mtime` the time
 * in seconds since 1970, 0 unless one is asked for.
 */
export function encodeTarHeader(name: string, size: number, mtime = 0): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK);
  if (name.length > 100 || size > 0o77777777777) throw new RangeError(`${name} does not fit a ustar header`);
  block.write(name, 0, "latin1");
  block.write("0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1");
  block.write("0000000\0", 116, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  block.write(`${mtime.toString(8).padStart(11, "0")}\0`, 136, "latin1");
  block.write("0", 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/**
 * The pax header that goes before the header of a file whose name is longer than 100 characters; that one may carry any
 * shorter name. `name` is ASCII.
 */
export function encodePaxName(name: string): Uint8Array {
  const record = paxRecord("path", name);
  const header = Buffer.from(encodeTarHeader("PaxHeader", record.length));
  header.write("x", 156, "latin1");
  header.write(`${checksum(header).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, Buffer.from(record, "latin1"), Buffer.alloc(tarPadding(record.length))]);
}

/** `LENGTH key=value\n`, the length counting its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  if (String(length).length > String(rest.length).length) length += 1;
  return `${length}${rest}`;
}

/** Reads a header block: `"end"` for a block of zeros, `"invalid"` when the checksum or a number is wrong. */
export function decodeTarHeader(block: Uint8Array): TarHeader | "end" | "invalid" {
  if (block.every((byte) => byte === 0)) return "end";
  const buffer = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  if (octal(buffer, 148, 8) !== checksum(buffer)) return "invalid";
  const size = number(buffer, 124, 12);
  if (size === undefined) return "invalid";
  const isUstar = buffer.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isUstar ? text(buffer, 345, 155) : "";
  const name = text(buffer, 0, 100);
  const flag = String.fromCharCode(buffer[156] ?? 0);
  return { name: prefix === "" ? name : `${prefix}/${name}`, size, type: flag === "\0" || flag === "7" ? "0" : flag };
}

/** Bytes of padding after content of `size` bytes. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** The sum of all bytes with the checksum field read as blanks. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte;
  return sum;
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

/** A number in octal digits, or GNU's base-256 form for large ones. */
function number(block: Buffer, start: number, length: number): number | undefined {
  if (((block[start] ?? 0) & 0x80) === 0) return octal(block, start, length);
  let value = (block[start] ?? 0) & 0x7f;
  for (const byte of block.subarray(start + 1, start + length)) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : undefined;
}

function octal(block: Buffer, start: number, length: number): number | undefined {
  const digits = text(block, start, length).trim();
  if (!/^[0-7]*$/u.test(digits)) return undefined;
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}
