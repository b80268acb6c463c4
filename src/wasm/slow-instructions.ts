/**
 * Where a function's body (locals first, core spec §5.4 and §5.5.13) holds instructions in loops that may take long by
 * themselves: those that grow, fill and copy memories and tables. Offsets from the start of the file. `undefined` for
 * what is no code, and for code with instructions this does not know: garbage collection, exception tables.
 */
export function slowInLoops(
  bytes: Uint8Array,
  body: { readonly start: number; readonly end: number },
): readonly number[] | undefined {
  const walk = new Walk(bytes, body.start, body.end);
  return walk.locals() && walk.instructions() ? walk.found : undefined;
}

/** One pass over a body. A counter and a switch, no objects for each instruction: modules have millions. */
class Walk {
  readonly found: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** For every open block whether it is a loop. */
  readonly #blocks: boolean[] = [];
  #loops = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  locals(): boolean {
    for (let left = this.#u32(); left > 0 && this.#at < this.#end; left -= 1) {
      this.#leb();
      if (this.#byte() <= LAST_REFERENCE) this.#leb();
    }
    return this.#at < this.#end;
  }

  /** False when an instruction is not known or the code ends too early. */
  instructions(): boolean {
    while (this.#at < this.#end) {
      const at = this.#at;
      const code = this.#byte();
      if (code === GROW || code === BULK) this.#note(at, code);
      const known = code < PREFIXED ? this.#plain(code) : this.#prefixed(code);
      if (!known) return false;
    }
    return this.#at === this.#end && this.#blocks.length === 0;
  }

  #note(at: number, code: number): void {
    const isSlow = code === GROW || SLOW_BULK.has(this.#bytes[this.#at] ?? 0);
    if (isSlow && this.#loops > 0) this.found.push(at);
  }

  #plain(code: number): boolean {
    const shape = SHAPES[code] ?? UNKNOWN;
    switch (shape) {
      case NONE:
        return true;
      case ONE:
        this.#leb();
        return true;
      case BLOCK:
        return this.#open(code === LOOP);
      case END:
        return this.#close();
      case MEMORY:
        return this.#memory();
      default:
        return this.#rare(code, shape);
    }
  }

  #rare(code: number, shape: number): boolean {
    if (shape === TWO) {
      this.#leb();
      this.#leb();
    } else if (shape === FIXED) this.#at += code === F32_CONST ? 4 : 8;
    else if (shape === LIST) {
      // A table of branches has one more, for all the rest.
      for (let left = this.#u32() + (code === BR_TABLE ? 1 : 0); left > 0 && this.#at < this.#end; left -= 1)
        this.#leb();
    } else return false;
    return true;
  }

  #prefixed(prefix: number): boolean {
    const code = this.#u32();
    if (prefix === BULK) {
      for (let left = BULK_SHAPES[code] ?? UNKNOWN; left > 0; left -= 1) this.#leb();
      return code < BULK_SHAPES.length;
    }
    if (prefix === VECTOR) return this.#vector(code);
    if (prefix !== ATOMIC) return false;
    if (code !== FENCE) return this.#memory();
    this.#at += 1;
    return true;
  }

  #vector(code: number): boolean {
    if (code <= 11 || code === 92 || code === 93) return this.#memory();
    if (code === 12 || code === 13) this.#at += 16;
    else if (code >= 21 && code <= 34) this.#at += 1;
    else if (code >= 84 && code <= 91) {
      this.#memory();
      this.#at += 1;
    }
    return true;
  }

  #open(isLoop: boolean): boolean {
    const type = this.#bytes[this.#at] ?? 0;
    this.#leb();
    this.#blocks.push(isLoop);
    if (isLoop) this.#loops += 1;
    return type !== 0x63 && type !== 0x64;
  }

  /** The last one ends the body. */
  #close(): boolean {
    const isLoop = this.#blocks.pop();
    if (isLoop === undefined) return this.#at === this.#end;
    if (isLoop) this.#loops -= 1;
    return true;
  }

  /** Alignment, the memory when a bit says so, offset. */
  #memory(): boolean {
    const flags = this.#u32();
    if ((flags & 0x40) !== 0) this.#leb();
    this.#leb();
    return true;
  }

  #byte(): number {
    const value = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return value;
  }

  #leb(): void {
    while ((this.#bytes[this.#at] ?? 0) >= 0x80) this.#at += 1;
    this.#at += 1;
  }

  #u32(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80 || scale > 2 ** 28) return value;
    }
  }
}

/** What follows the code of an instruction (core spec §5.4). */
const [NONE, ONE, BLOCK, END, MEMORY, TWO, FIXED, LIST, UNKNOWN] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

const [LOOP, BR_TABLE, GROW, F32_CONST] = [0x03, 0x0e, 0x40, 0x43] as const;
const [PREFIXED, BULK, VECTOR, ATOMIC, FENCE] = [0xfb, 0xfc, 0xfd, 0xfe, 3] as const;
/** Value types up to here are followed by a heap type. */
const LAST_REFERENCE = 0x64;

/** Of `0xfc`: how many numbers follow. */
const BULK_SHAPES: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];
/** Of `0xfc`: initialise, copy and fill memories and tables, and grow tables. */
const SLOW_BULK: ReadonlySet<number> = new Set([8, 10, 11, 12, 14, 15, 17]);

const SHAPES: Uint8Array = shapes([
  [NONE, [0x00, 0x01], [0x05, 0x05], [0x0a, 0x0a], [0x0f, 0x0f], [0x19, 0x1b], [0x45, 0xc4], [0xd1, 0xd1]],
  [ONE, [0x07, 0x09], [0x0c, 0x0d], [0x10, 0x10], [0x12, 0x12], [0x14, 0x15], [0x20, 0x26]],
  [ONE, [0x3f, 0x42], [0xd0, 0xd0], [0xd2, 0xd2]],
  [BLOCK, [0x02, 0x04], [0x06, 0x06]],
  [END, [0x0b, 0x0b]],
  [MEMORY, [0x28, 0x3e]],
  [TWO, [0x11, 0x11], [0x13, 0x13]],
  [FIXED, [0x43, 0x44]],
  [LIST, [0x0e, 0x0e], [0x1c, 0x1c]],
]);

function shapes(rows: readonly (readonly [number, ...(readonly [number, number])[]])[]): Uint8Array {
  const table = new Uint8Array(0x100).fill(UNKNOWN);
  for (const [shape, ...ranges] of rows) for (const [from, to] of ranges) table.fill(shape, from, to + 1);
  return table;
}
