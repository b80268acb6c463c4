import { inlineNames, type MapKind } from "./inline-headers.ts";

/**
 * Headers or trailers in Envoy's order and with Envoy's rules: names in lower case, several values of a name allowed,
 * pseudo headers first, and "inline" names (`inline-headers.ts`) held once, so that adding to one joins with a comma.
 *
 * Names and values are strings of bytes: one character is one byte (latin1). Held flat, `[name, value, name, value]`,
 * which is the shape of Node's `rawHeaders` and the fastest one to search at the sizes headers have.
 */
export class HeaderMap {
  readonly kind: MapKind;
  /** Names and values in turn. Read it; change it only by the methods. */
  flat: string[] = [];
  readonly #inline: ReadonlySet<string>;
  #pseudo = 0;

  constructor(kind: MapKind, pairs: Iterable<readonly [string, string]> = []) {
    this.kind = kind;
    this.#inline = inlineNames(kind);
    for (const [name, value] of pairs) this.add(lowerAscii(name), value);
  }

  /**
   * A map of names and values in turn, in any case: the shape of Node's `rawHeaders`. A value without a name before it
   * is left out.
   */
  static of(kind: MapKind, flat: readonly string[]): HeaderMap {
    const map = new HeaderMap(kind);
    for (let at = 0; at + 1 < flat.length; at += 2) map.add(lowerAscii(flat[at] ?? ""), flat[at + 1] ?? "");
    return map;
  }

  /** How many entries there are. */
  get size(): number {
    return this.flat.length / 2;
  }

  /** Bytes of all names and values (`proxy_get_header_map_size`). */
  get byteSize(): number {
    let bytes = 0;
    for (const text of this.flat) bytes += text.length;
    return bytes;
  }

  /** The first value of a name in lower case; `host` of a request means `:authority`. */
  get(name: string): string | undefined {
    const at = this.#find(this.#alias(name), 0);
    return at === -1 ? undefined : this.flat[at + 1];
  }

  /** All values of a name in lower case, in order. */
  values(name: string): string[] {
    const wanted = this.#alias(name);
    const found: string[] = [];
    for (let at = this.#find(wanted, 0); at !== -1; at = this.#find(wanted, at + 2))
      found.push(this.flat[at + 1] ?? "");
    return found;
  }

  /** Whether there is an entry, be it empty. */
  has(name: string): boolean {
    return this.#find(this.#alias(name), 0) !== -1;
  }

  /** Adds an entry at the end (a pseudo header after the other ones), or joins the value to the one an inline name has. */
  add(name: string, value: string): void {
    const key = this.#alias(name);
    if (this.#inline.has(key)) {
      const at = this.#find(key, 0);
      if (at !== -1) {
        const old = this.flat[at + 1] ?? "";
        this.flat[at + 1] = old === "" ? value : value === "" ? old : `${old},${value}`;
        return;
      }
    }
    if (key.charCodeAt(0) === COLON) {
      this.flat.splice(this.#pseudo, 0, key, value);
      this.#pseudo += 2;
    } else this.flat.push(key, value);
  }

  /** Writes this value over the first one of the name, in its place; adds it when there is none. */
  put(name: string, value: string): void {
    const at = this.#find(this.#alias(name), 0);
    if (at === -1) this.add(name, value);
    else this.flat[at + 1] = value;
  }

  /** Takes away every value of the name and adds this one, at the end. */
  set(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  /** Takes away every value of the name; how many there were. */
  remove(name: string): number {
    const wanted = this.#alias(name);
    let removed = 0;
    for (let at = this.#find(wanted, 0); at !== -1; at = this.#find(wanted, at)) {
      this.flat.splice(at, 2);
      removed += 1;
    }
    if (wanted.charCodeAt(0) === COLON) this.#pseudo -= removed * 2;
    return removed;
  }

  /** Takes away every value of all these names, in one go. */
  removeAll(names: ReadonlySet<string>): void {
    const { flat } = this;
    let kept = 0;
    for (let at = 0; at < flat.length; at += 2) {
      const name = flat[at] ?? "";
      if (names.has(name)) continue;
      if (kept < at) {
        flat[kept] = name;
        flat[kept + 1] = flat[at + 1] ?? "";
      }
      kept += 2;
    }
    if (kept === flat.length) return;
    flat.length = kept;
    this.#pseudo = 0;
    while (this.#pseudo < kept && flat[this.#pseudo]?.charCodeAt(0) === COLON) this.#pseudo += 2;
  }

  /** Replaces everything. */
  replaceAll(pairs: Iterable<readonly [string, string]>): void {
    this.flat = [];
    this.#pseudo = 0;
    for (const [name, value] of pairs) this.add(lowerAscii(name), value);
  }

  /** The entries as pairs, in order. */
  *[Symbol.iterator](): Generator<[string, string]> {
    for (let at = 0; at < this.flat.length; at += 2) yield [this.flat[at] ?? "", this.flat[at + 1] ?? ""];
  }

  /** A map of its own with the same entries. */
  clone(): HeaderMap {
    const copy = new HeaderMap(this.kind);
    copy.flat = this.flat.slice();
    copy.#pseudo = this.#pseudo;
    return copy;
  }

  #alias(name: string): string {
    return name === "host" && this.kind === "request" ? ":authority" : name;
  }

  #find(name: string, from: number): number {
    const { flat } = this;
    for (let at = from; at < flat.length; at += 2) if (flat[at] === name) return at;
    return -1;
  }
}

/** Lower case of ASCII letters only: other bytes may be halves of UTF-8 and stay, as in Envoy. */
export function lowerAscii(text: string): string {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= CAPITAL_A && code <= CAPITAL_Z) return text.replace(/[A-Z]+/gu, (letters) => letters.toLowerCase());
  }
  return text;
}

const COLON = 0x3a;
const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;
