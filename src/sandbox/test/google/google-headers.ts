import { HeaderMap } from "../../../host/header-map.ts";

/**
 * Headers by the rules of Google's tester, which differ from Envoy's: sorted by name, one entry a name, further values
 * joined with a comma and a space, names kept as they were first written and found in any case, no alias `host`, and the
 * "size" is the number of entries.
 */
export class GoogleHeaders extends HeaderMap {
  constructor() {
    // The kind without aliases.
    super("trailers");
  }

  override get byteSize(): number {
    return this.size;
  }

  override get(name: string): string | undefined {
    const at = this.#find(name);
    return at === -1 ? undefined : this.flat[at + 1];
  }

  override has(name: string): boolean {
    return this.#find(name) !== -1;
  }

  override values(name: string): string[] {
    const value = this.get(name);
    return value === undefined ? [] : [value];
  }

  override add(name: string, value: string): void {
    const old = this.get(name);
    this.set(name, old === undefined || old === "" ? value : `${old}, ${value}`);
  }

  override set(name: string, value: string): void {
    const { flat } = this;
    const at = this.#find(name);
    if (at !== -1) {
      flat[at + 1] = value;
      return;
    }
    const key = caseless(name);
    let place = 0;
    while (place < flat.length && caseless(flat[place] ?? "") < key) place += 2;
    flat.splice(place, 0, name, value);
  }

  override remove(name: string): number {
    const at = this.#find(name);
    if (at === -1) return 0;
    this.flat.splice(at, 2);
    return 1;
  }

  override replaceAll(pairs: Iterable<readonly [string, string]>): void {
    this.flat = [];
    for (const [name, value] of pairs) this.add(name, value);
  }

  #find(name: string): number {
    const key = caseless(name);
    return this.flat.findIndex((text, index) => index % 2 === 0 && caseless(text) === key);
  }
}

function caseless(name: string): string {
  return name.replace(/[A-Z]+/gu, (letters) => letters.toLowerCase());
}
