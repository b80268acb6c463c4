/**
 * Where a function's body (locals first, core spec §5.4 and §5.5.13) holds instructions that may take long by themselves,
 * and often: those that make, grow, fill and copy memories, tables and arrays, in loops and beyond the first
 * {@link MOST_IN_A_ROW} outside. Offsets from the start of the file. `undefined` for what is no code, and for code with
 * instructions of no WebAssembly this knows (3.0, threads, legacy exceptions).
 */
export function slowPlaces(
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
  #outside = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  locals(): boolean {
    for (let left = this.#u32(); left > 0 && this.#at < this.#end; left -= 1) {
      this.#leb();
      this.#valueType();
    }
    return this.#at < this.#end;
  }

  /** False when an instruction is not known or the code ends too early. */
  instructions(): boolean {
    while (this.#at < this.#end) {
      this.#pass();
      if (this.#at >= this.#end) break;
      const at = this.#at;
      const code = this.#byte();
      if (code === GROW) this.#note(at);
      const known = code < GARBAGE ? this.#plain(code) : this.#prefixed(at, code);
      if (!known) return false;
    }
    return this.#at === this.#end && this.#blocks.length === 0;
  }

  /**
   * Goes past instructions that are in no way remarkable, which most are. In one loop, with calls to nothing: walked once,
   * a module's code is read before the engine has optimised anything.
   */
  #pass(): void {
    const [bytes, end] = [this.#bytes, this.#end];
    let at = this.#at;
    while (at < end) {
      const code = bytes[at] ?? 0;
      const shape = SHAPES[code];
      if (shape !== NONE) {
        if (shape === MEMORY && (bytes[at + 1] ?? 0) < NUMBERED) at += 1;
        else if (shape !== ONE || code === GROW) break;
        at += 1;
        while ((bytes[at] ?? 0) >= 0x80) at += 1;
      }
      at += 1;
    }
    this.#at = at;
  }

  #note(at: number): void {
    if (this.#loops === 0) this.#outside += 1;
    if (this.#loops > 0 || this.#outside > MOST_IN_A_ROW) this.found.push(at);
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
    switch (shape) {
      case TWO:
        this.#leb();
        this.#leb();
        return true;
      case FIXED:
        this.#at += code === F32_CONST ? 4 : 8;
        return true;
      case LIST:
        return this.#list();
      case TYPES:
        return this.#types();
      case DELEGATE:
        this.#leb();
        return this.#blocks.length > 0 && this.#close();
      default:
        return shape === TRY_TABLE && this.#tryTable();
    }
  }

  /** A table of branches: one more than it says, for all the rest. */
  #list(): boolean {
    for (let left = this.#u32() + 1; left > 0 && this.#at < this.#end; left -= 1) this.#leb();
    return true;
  }

  #types(): boolean {
    for (let left = this.#u32(); left > 0 && this.#at < this.#end; left -= 1) this.#valueType();
    return true;
  }

  /** A block with a table of what catches what: two kinds name an exception, all name a label. */
  #tryTable(): boolean {
    this.#open(false);
    for (let left = this.#u32(); left > 0 && this.#at < this.#end; left -= 1) {
      if (this.#byte() < 2) this.#leb();
      this.#leb();
    }
    return true;
  }

  #prefixed(at: number, prefix: number): boolean {
    // The code of an instruction may be written with more bytes than it needs.
    const code = this.#u32();
    if (prefix === BULK || prefix === GARBAGE) {
      const [following, slow] = prefix === BULK ? [BULK_SHAPES, SLOW_BULK] : [GARBAGE_SHAPES, SLOW_GARBAGE];
      if (slow.has(code)) this.#note(at);
      for (let left = following[code] ?? 0; left > 0; left -= 1) this.#leb();
      return code < following.length;
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
    this.#valueType();
    this.#blocks.push(isLoop);
    if (isLoop) this.#loops += 1;
    return true;
  }

  /** A type of values, or of blocks: a number, and after two of them the type of what is referred to. */
  #valueType(): void {
    const first = this.#bytes[this.#at];
    this.#leb();
    if (first === REF_NULL || first === REF) this.#leb();
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
const [NONE, ONE, BLOCK, END, MEMORY, TWO, FIXED, LIST, TYPES, DELEGATE, TRY_TABLE, UNKNOWN] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;

/** Alignments from here on have more than one byte, or are followed by the number of a memory. */
const NUMBERED = 0x40;
const [LOOP, GROW, F32_CONST, REF_NULL, REF] = [0x03, 0x40, 0x43, 0x63, 0x64] as const;
const [GARBAGE, BULK, VECTOR, ATOMIC, FENCE] = [0xfb, 0xfc, 0xfd, 0xfe, 3] as const;

/** Slow instructions that may follow each other without a loop: code of a few megabytes holds a million of them. */
const MOST_IN_A_ROW = 8;

/** Of `0xfc`: how many numbers follow. */
const BULK_SHAPES: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];
/** Of `0xfc`: initialise, copy and fill memories and tables, and grow tables. */
const SLOW_BULK: ReadonlySet<number> = new Set([8, 10, 11, 12, 14, 15, 17]);
/** Of `0xfb`, the garbage collection proposal: how many numbers follow. */
const GARBAGE_SHAPES: readonly number[] = [
  1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 2, 1, 1, 1, 1, 0, 1, 2, 2, 2, 1, 1, 1, 1, 4, 4, 0, 0, 0, 0, 0,
];
/** Of `0xfb`: make arrays, fill, copy and initialise them. */
const SLOW_GARBAGE: ReadonlySet<number> = new Set([6, 7, 9, 10, 16, 17, 18, 19]);

const SHAPES: Uint8Array = shapes([
  [
    NONE,
    [0x00, 0x01],
    [0x05, 0x05],
    [0x0a, 0x0a],
    [0x0f, 0x0f],
    [0x19, 0x1b],
    [0x45, 0xc4],
    [0xd1, 0xd1],
    [0xd3, 0xd4],
  ],
  [ONE, [0x07, 0x09], [0x0c, 0x0d], [0x10, 0x10], [0x12, 0x12], [0x14, 0x15], [0x20, 0x26]],
  [ONE, [0x3f, 0x42], [0xd0, 0xd0], [0xd2, 0xd2], [0xd5, 0xd6]],
  [BLOCK, [0x02, 0x04], [0x06, 0x06]],
  [END, [0x0b, 0x0b]],
  [MEMORY, [0x28, 0x3e]],
  [TWO, [0x11, 0x11], [0x13, 0x13]],
  [FIXED, [0x43, 0x44]],
  [LIST, [0x0e, 0x0e]],
  [TYPES, [0x1c, 0x1c]],
  [DELEGATE, [0x18, 0x18]],
  [TRY_TABLE, [0x1f, 0x1f]],
]);

function shapes(rows: readonly (readonly [number, ...(readonly [number, number])[]])[]): Uint8Array {
  const table = new Uint8Array(0x100).fill(UNKNOWN);
  for (const [shape, ...ranges] of rows) for (const [from, to] of ranges) table.fill(shape, from, to + 1);
  return table;
}
