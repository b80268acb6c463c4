/**
 * Strings made of bytes, remembered: the same short bytes give the same string without making it anew, which is what costs
 * when guests read and write headers. One string per slot; a newer one takes the place of an older one.
 */
export class InternTable {
  readonly #slots: string[] = [];
  readonly #lower: boolean;

  /** @param lower whether ASCII capitals become small letters; other bytes may be parts of UTF-8 and stay */
  constructor(lower: boolean) {
    this.#lower = lower;
    // Faster than `Array.from`, which would take half of a VM's start.
    this.#slots.length = SLOTS;
    this.#slots.fill("");
  }

  /** The string of the bytes, one character a byte. For up to {@link INTERN_MAX} bytes; the range must lie inside. */
  text(bytes: Uint8Array, start: number, length: number): string {
    const last = start + length - 1;
    const step = (length >> 3) + 1;
    // Capitals and small letters share a slot: the bits that differ are left out.
    let hash = (length << 5) + ((bytes[last] ?? 0) & ~SMALL);
    for (let at = start; at < last; at += step) hash = (Math.imul(hash, 31) + ((bytes[at] ?? 0) & ~SMALL)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const found = this.#slots[slot] ?? "";
    return found.length === length && this.#same(found, bytes, start) ? found : this.#make(slot, bytes, start, length);
  }

  #same(text: string, bytes: Uint8Array, start: number): boolean {
    const lower = this.#lower;
    for (let at = 0; at < text.length; at += 1) {
      const code = bytes[start + at] ?? 0;
      const wanted = text.charCodeAt(at);
      if (code !== wanted && !(lower && code >= CAPITAL_A && code <= CAPITAL_Z && (code | SMALL) === wanted))
        return false;
    }
    return true;
  }

  #make(slot: number, bytes: Uint8Array, start: number, length: number): string {
    const codes = Array.from(bytes.subarray(start, start + length), (code) =>
      this.#lower && code >= CAPITAL_A && code <= CAPITAL_Z ? code | SMALL : code,
    );
    const text = String.fromCharCode(...codes);
    this.#slots[slot] = text;
    return text;
  }
}

/** Bytes of the longest string worth remembering. */
export const INTERN_MAX = 64;

/** A power of two. */
const SLOTS = 512;
const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;
const SMALL = 0x20;
