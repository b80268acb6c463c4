/** A pattern RE2 does not take. */
export class RegexProblem extends Error {
  override readonly name: string = "RegexProblem";
}

/** A part of a pattern read: what it is in JavaScript, and how many characters it took. */
export interface ReadPart {
  readonly source: string;
  readonly length: number;
}

/** A character that stands for itself, inside and outside brackets. */
export function literal(character: string): string {
  return /^[\w ]$/u.test(character) || (character.codePointAt(0) ?? 0) > 127
    ? character
    : `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`;
}

/** A character in either case. */
export function caseless(character: string): string {
  const forms = new Set([character, ...single(character.toLowerCase()), ...single(character.toUpperCase())]);
  return forms.size === 1 ? literal(character) : `[${[...forms].map(literal).join("")}]`;
}

function single(text: string): string[] {
  return Array.from(text).length === 1 ? [text] : [];
}

/** The character an escape at the start of the text means. */
export function readEscapedLiteral(text: string): { readonly character: string; readonly length: number } {
  for (const [pattern, base] of CODES) {
    const [whole, digits] = pattern.exec(text) ?? [];
    const point = Number.parseInt(digits ?? "", base);
    if (whole !== undefined && point <= 0x10_ff_ff) {
      return { character: String.fromCodePoint(point), length: whole.length };
    }
  }
  const letter = text.slice(1, 2);
  const named = NAMED[letter];
  if (named !== undefined) return { character: named, length: 2 };
  if (/^[!-~]$/u.test(letter) && !/^[0-9A-Za-z]$/u.test(letter)) return { character: letter, length: 2 };
  throw new RegexProblem(letter === "" ? "trailing \\" : `invalid escape sequence: \\${letter}`);
}

const CODES: readonly (readonly [RegExp, number])[] = [
  [/^\\x\{([0-9a-fA-F]{1,6})\}/u, 16],
  [/^\\x([0-9a-fA-F]{2})/u, 16],
  [/^\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/u, 8],
];

const NAMED: Readonly<Record<string, string>> = { a: "\x07", f: "\f", t: "\t", n: "\n", r: "\r", v: "\v" };

/** `\d`, `\pL` and their like at the start of the text, as what stands in brackets; `undefined` when there is none. */
export function readEscapedClass(text: string): ReadPart | undefined {
  const perl = PERL[text.slice(0, 2)];
  if (perl !== undefined) return { source: perl, length: 2 };
  const property = /^\\([pP])(?:\{(\^?)(\w+)\}|(\w))/u.exec(text);
  if (property === null) return undefined;
  const [whole, letter, caret = "", long, short] = property;
  const name = long ?? short ?? "";
  const negated = (letter === "P") !== (caret === "^");
  if (name === "Any") return { source: String.raw`\s\S`, length: whole.length };
  const source = `\\${negated ? "P" : "p"}{${name.length <= 2 ? name : `Script=${name}`}}`;
  if (!isPattern(source)) throw new RegexProblem(`invalid character class range: ${whole}`);
  return { source, length: whole.length };
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, "u").unicode;
  } catch {
    return false;
  }
}

const PERL: Readonly<Record<string, string>> = {
  "\\d": "0-9",
  "\\D": String.raw`\x00-\x2f\x3a-\u{10ffff}`,
  "\\s": String.raw`\t\n\f\r\x20`,
  "\\S": String.raw`\x00-\x08\x0b\x0e-\x1f\x21-\u{10ffff}`,
  "\\w": "0-9A-Za-z_",
  "\\W": String.raw`\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\u{10ffff}`,
};

/** A class in brackets at the start of the text. */
export function readClass(text: string, ignoreCase: boolean): ReadPart {
  let at = text.startsWith("[^") ? 2 : 1;
  const negated = at === 2;
  const first = at;
  let inside = "";
  while (text[at] !== "]" || at === first) {
    if (at >= text.length) throw new RegexProblem(`missing ]: ${text}`);
    const part = readNamed(text.slice(at)) ?? readRange(text.slice(at), ignoreCase);
    inside += part.source;
    at += part.length;
  }
  return { source: `[${negated ? "^" : ""}${inside}]`, length: at + 1 };
}

/** `[:alpha:]`, `\d` or `\pL` inside brackets. */
function readNamed(text: string): ReadPart | undefined {
  const posix = /^\[:(\^?)(\w+):\]/u.exec(text);
  if (posix === null) return text.startsWith("\\") ? readEscapedClass(text) : undefined;
  const [whole, caret, name = ""] = posix;
  const source = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
  if (source === undefined) throw new RegexProblem(`invalid character class range: ${whole}`);
  return { source: caret === "^" ? complement(source) : source, length: whole.length };
}

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: String.raw`\x00-\x7f`,
  blank: String.raw`\t\x20`,
  cntrl: String.raw`\x00-\x1f\x7f`,
  digit: "0-9",
  graph: String.raw`\x21-\x7e`,
  lower: "a-z",
  print: String.raw`\x20-\x7e`,
  punct: String.raw`\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e`,
  space: String.raw`\t\n\v\f\r\x20`,
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

/** Everything else, as ranges: JavaScript has no negated class inside brackets. */
function complement(source: string): string {
  const set = new RegExp(`[${source}]`, "u");
  const others = Array.from({ length: 128 }, (_, code) => code).filter((code) => !set.test(String.fromCharCode(code)));
  return `${others.map((code) => `\\x${code.toString(16).padStart(2, "0")}`).join("")}\\x80-\\u{10ffff}`;
}

function readRange(text: string, ignoreCase: boolean): ReadPart {
  const low = readOne(text);
  const rest = text.slice(low.length);
  if (!rest.startsWith("-") || rest.startsWith("-]") || rest.length < 2) {
    return { source: spread(low.character, low.character, ignoreCase), length: low.length };
  }
  const high = readOne(rest.slice(1));
  const length = low.length + 1 + high.length;
  if ((low.character.codePointAt(0) ?? 0) > (high.character.codePointAt(0) ?? 0)) {
    throw new RegexProblem(`invalid character class range: ${text.slice(0, length)}`);
  }
  return { source: spread(low.character, high.character, ignoreCase), length };
}

function readOne(text: string): { readonly character: string; readonly length: number } {
  if (text.startsWith("\\")) return readEscapedLiteral(text);
  const character = String.fromCodePoint(text.codePointAt(0) ?? 0);
  return { character, length: character.length };
}

/** A range, with the letters it has in their other case. Beyond ASCII only single characters are turned. */
function spread(low: string, high: string, ignoreCase: boolean): string {
  const range = low === high ? literal(low) : `${literal(low)}-${literal(high)}`;
  if (!ignoreCase) return range;
  if (low === high) return caseless(low).replace(/^\[|\]$/gu, "");
  const letters = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz").filter(
    (one) => one >= low && one <= high,
  );
  return range + letters.map((one) => (one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase())).join("");
}
