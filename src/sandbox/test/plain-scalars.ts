/** The text is more than plain: nothing is said of whether it is right. */
export class NotPlain extends Error {
  override readonly name: string = "NotPlain";
}

/** Where the text of numbers and truths is kept. */
export interface Inline {
  readonly path: string;
  readonly written: Map<string, string>;
}

/** A key of a block map, and what follows its colon on the line. */
export function readKey(line: string): { readonly key: string; readonly rest: string } {
  const quote = line.charAt(0);
  const end = quote === '"' || quote === "'" ? endOfQuote(line, 0) : line.search(/:(?: |$)/u);
  if (end <= 0 || line.charAt(end) !== ":" || !/^(?: |$)/u.test(line.slice(end + 1))) throw new NotPlain();
  if (/ $| #/u.test(line.slice(0, end)) && quote !== '"' && quote !== "'") throw new NotPlain();
  return { key: keyOf(line.slice(0, end)), rest: line.slice(end + 1).trimStart() };
}

/** A scalar on one line, with perhaps a comment behind it. */
export function readScalar(text: string, note: Inline): unknown {
  const quote = text.charAt(0);
  if (quote === '"' || quote === "'") {
    const end = endOfQuote(text, 0);
    if (!COMMENT.test(text.slice(end))) throw new NotPlain();
    return unquote(text.slice(0, end));
  }
  const comment = text.indexOf(" #");
  const plain = (comment === -1 ? text : text.slice(0, comment)).trimEnd();
  if (/:(?: |$)/u.test(plain)) throw new NotPlain();
  return resolve(plain, note);
}

/** A `{}` or `[]` that ends on its line, with perhaps a comment behind it. */
export function readFlow(text: string, note: Inline): unknown {
  const reader = new Flow(text, note.written);
  const value = reader.collection(note.path);
  if (!COMMENT.test(text.slice(reader.at))) throw new NotPlain();
  return value;
}

const COMMENT = /^(?: *$| +#)/u;

class Flow {
  at = 0;
  readonly #text: string;
  readonly #written: Map<string, string>;

  constructor(text: string, written: Map<string, string>) {
    this.#text = text;
    this.#written = written;
  }

  collection(path: string): unknown {
    return this.#text.charAt(this.at) === "{" ? this.#map(path) : this.#list(path);
  }

  #map(path: string): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.at += 1;
    while (!this.#ends("}")) {
      const key = keyOf(this.#token());
      this.#expect(":");
      if (this.#text.charAt(this.at) !== " " || Object.hasOwn(map, key)) throw new NotPlain();
      map[key] = this.#value(`${path}\0${key}`);
      this.#separate("}");
    }
    return map;
  }

  #list(path: string): unknown[] {
    const list: unknown[] = [];
    this.at += 1;
    while (!this.#ends("]")) {
      list.push(this.#value(`${path}\0${list.length}`));
      this.#separate("]");
    }
    return list;
  }

  #value(path: string): unknown {
    this.#spaces();
    const first = this.#text.charAt(this.at);
    if (first === "{" || first === "[") return this.collection(path);
    const token = this.#token();
    return first === '"' || first === "'" ? unquote(token) : resolve(token, { path, written: this.#written });
  }

  /** A quoted text with its quotes, or a plain one up to what ends it. */
  #token(): string {
    this.#spaces();
    const start = this.at;
    const first = this.#text.charAt(start);
    if (first === '"' || first === "'") {
      this.at = endOfQuote(this.#text, start);
      return this.#text.slice(start, this.at);
    }
    const length = this.#text.slice(start).search(/[,[\]{}]|:(?:[ ,[\]{}]|$)| #/u);
    if (length <= 0) throw new NotPlain();
    this.at = start + length;
    return this.#text.slice(start, this.at).trimEnd();
  }

  /** Whether the collection ends here; steps over its end. */
  #ends(bracket: string): boolean {
    this.#spaces();
    if (this.#text.charAt(this.at) !== bracket) return false;
    this.at += 1;
    return true;
  }

  /** Steps over a comma; without one the collection must end. */
  #separate(bracket: string): void {
    this.#spaces();
    const next = this.#text.charAt(this.at);
    if (next === ",") this.at += 1;
    else if (next !== bracket) throw new NotPlain();
  }

  #expect(char: string): void {
    if (this.#text.charAt(this.at) !== char) throw new NotPlain();
    this.at += 1;
  }

  #spaces(): void {
    while (this.#text.charAt(this.at) === " ") this.at += 1;
    if (this.at >= this.#text.length) throw new NotPlain();
    if (this.#text.charAt(this.at) === "#") throw new NotPlain();
  }
}

/** Index behind the closing quote. */
function endOfQuote(text: string, start: number): number {
  const form = text.charAt(start) === '"' ? /"(?:[^"\\]|\\.)*"/uy : /'(?:[^']|'')*'/uy;
  form.lastIndex = start;
  const end = form.test(text) ? form.lastIndex : -1;
  if (end === -1) throw new NotPlain();
  return end;
}

function unquote(token: string): string {
  if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'");
  // The escapes of JSON mean the same in YAML; the others are left to the library.
  if (/\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})/u.test(token.replaceAll(/\\\\/gu, ""))) throw new NotPlain();
  try {
    return JSON.parse(token) as string;
  } catch {
    throw new NotPlain();
  }
}

/** A key is text; what would be a number, a truth, a merge or the prototype is left to the library. */
function keyOf(token: string): string {
  if (token.startsWith('"') || token.startsWith("'")) return guarded(unquote(token));
  if (typeof resolve(token, { path: "", written: new Map() }) !== "string") throw new NotPlain();
  return guarded(token);
}

function guarded(key: string): string {
  if (key === "__proto__" || key === "<<") throw new NotPlain();
  return key;
}

/** A plain scalar by YAML's core schema. */
function resolve(token: string, { path, written }: Inline): unknown {
  if (INDICATOR.test(token)) throw new NotPlain();
  if (/^(?:true|True|TRUE|false|False|FALSE)$/u.test(token)) {
    written.set(path, token);
    return token.toLowerCase() === "true";
  }
  if (/^(?:~|null|Null|NULL)$/u.test(token)) return null;
  if (/^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?$/u.test(token)) {
    written.set(path, token);
    return Number(token);
  }
  // Other numbers: hexadecimal, exponents, many digits, leading zeros, `.inf`.
  if (/^[-+.]?[.\d]/u.test(token) && /^[-+]?(?:\.|0[xo]|[\d.]+(?:[eE]|$)|\.inf|\.nan)/iu.test(token))
    throw new NotPlain();
  return token;
}

/** What a plain scalar cannot begin with, or where it takes a closer look. */
const INDICATOR = /^(?:$|[?:,[\]{}#&*!|>'"%@`]|-(?![\dA-Za-z]))/u;
