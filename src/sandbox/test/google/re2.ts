import { caseless, literal, readClass, readEscapedClass, readEscapedLiteral, RegexProblem } from "./re2-classes.ts";

/**
 * A regular expression of RE2 as one of JavaScript that matches the whole of a text or nothing. JavaScript's own meaning
 * differs in what `.`, `$`, `\s` and flags do, and it has look-around and back references, which RE2 has not; all this is
 * as in RE2. Throws {@link RegexProblem} with RE2's words for what it refuses, and for `\C`, which JavaScript cannot.
 */
export function re2FullMatch(pattern: string): RegExp {
  const source = new Translator(pattern).translate();
  return new RegExp(`^(?:${source})$`, "u");
}

interface Flags {
  /** `i`, `m`, `s` and `U` of RE2. */
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly U: boolean;
}

class Translator {
  readonly #pattern: string;
  #at = 0;
  #flags: Flags = { i: false, m: false, s: false, U: false };

  constructor(pattern: string) {
    this.#pattern = unquoted(pattern);
  }

  translate(): string {
    const source = this.#alternatives();
    if (this.#at < this.#pattern.length) throw new RegexProblem(`unexpected ): ${this.#pattern}`);
    return source;
  }

  /** Up to the end or a `)`, which stays. */
  #alternatives(): string {
    let source = "";
    for (;;) {
      const rest = this.#pattern.slice(this.#at);
      if (rest === "" || rest.startsWith(")")) break;
      if (rest.startsWith("|")) {
        source += "|";
        this.#at += 1;
      } else source += this.#repeated(rest);
    }
    return source;
  }

  #repeated(rest: string): string {
    if (/^[*+?]/u.test(rest)) throw new RegexProblem(`no argument for repetition operator: ${rest.charAt(0)}`);
    const atom = this.#atom(rest);
    const operator = OPERATOR.exec(this.#pattern.slice(this.#at));
    if (operator === null || atom === "") return atom;
    const [whole, least = "0", most = "", lazy = ""] = operator;
    if (Math.max(Number(least), Number(most)) > MOST_REPEATS)
      throw new RegexProblem(`bad repetition operator: ${whole}`);
    this.#at += whole.length;
    const twice = OPERATOR.exec(this.#pattern.slice(this.#at))?.[0];
    if (twice !== undefined) throw new RegexProblem(`bad repetition operator: ${whole}${twice}`);
    const greedy = (lazy === "") !== this.#flags.U;
    return `(?:${atom})${whole.slice(0, whole.length - lazy.length)}${greedy ? "" : "?"}`;
  }

  #atom(rest: string): string {
    const [first = ""] = rest;
    if (first === "(") return this.#group(rest);
    if (first === "[") return this.#class(rest);
    if (first === "\\") return this.#escape(rest);
    this.#at += first.length;
    if (first === ".") return this.#flags.s ? String.raw`[\s\S]` : String.raw`[^\n]`;
    if (first === "^") return this.#flags.m ? String.raw`(?<![^\n])` : String.raw`(?<![\s\S])`;
    if (first === "$") return this.#flags.m ? String.raw`(?![^\n])` : String.raw`(?![\s\S])`;
    return this.#literal(first);
  }

  #group(rest: string): string {
    const before = this.#flags;
    const { length, flags } = readOpening(rest);
    this.#at += length;
    if (flags !== undefined) this.#flags = changed(before, flags.on, flags.off);
    if (flags?.rest === true) return "";
    const inner = this.#alternatives();
    this.#flags = before;
    if (this.#pattern[this.#at] !== ")") throw new RegexProblem(`missing ): ${this.#pattern}`);
    this.#at += 1;
    return `(?:${inner})`;
  }

  #class(rest: string): string {
    const { source, length } = readClass(rest, this.#flags.i);
    this.#at += length;
    return source;
  }

  #escape(rest: string): string {
    const anchor = ANCHORS[rest.slice(0, 2)];
    if (anchor !== undefined) {
      this.#at += 2;
      return anchor;
    }
    if (rest.startsWith("\\C")) throw new RegexProblem(String.raw`\C, a single byte, cannot be matched here`);
    const set = readEscapedClass(rest);
    if (set !== undefined) {
      this.#at += set.length;
      return `[${set.source}]`;
    }
    const { character, length } = readEscapedLiteral(rest);
    this.#at += length;
    return this.#literal(character);
  }

  #literal(character: string): string {
    return this.#flags.i ? caseless(character) : literal(character);
  }
}

/** The beginning of a group; `rest` says that its flags are for what follows in the group around it. */
function readOpening(text: string): {
  readonly length: number;
  readonly flags?: { readonly on: string; readonly off: string; readonly rest: boolean };
} {
  if (!text.startsWith("(?")) return { length: 1 };
  const named = /^\(\?P?<\w+>/u.exec(text)?.[0];
  if (named !== undefined) return { length: named.length };
  const [whole, on = "", off = "", end] = /^\(\?(?=[imsU-])([imsU]*)(?:-([imsU]+))?([:)])|^\(\?:/u.exec(text) ?? [""];
  if (whole === "") throw new RegexProblem(`invalid perl operator: ${text.slice(0, 4)}`);
  return { length: whole.length, flags: { on, off, rest: end === ")" } };
}

/** The pattern with what stands between `\Q` and `\E` escaped instead. */
function unquoted(pattern: string): string {
  return pattern.replace(/\\Q((?:(?!\\E).)*)(?:\\E)?|\\./gsu, (whole: string, text: string | undefined) =>
    text === undefined ? whole : text.replace(/[^\w\x80-\u{10ffff}]/gu, (character) => `\\${character}`),
  );
}

const OPERATOR = /^(?:[*+?]|\{(\d+)(?:,(\d*))?\})(\??)/u;

/** As many as RE2 allows in braces. */
const MOST_REPEATS = 1000;

const ANCHORS: Readonly<Record<string, string>> = {
  "\\A": String.raw`(?<![\s\S])`,
  "\\z": String.raw`(?![\s\S])`,
  "\\b": String.raw`\b`,
  "\\B": String.raw`\B`,
};

function changed(flags: Flags, on: string, off: string): Flags {
  const value = (name: keyof Flags): boolean => (on.includes(name) || flags[name]) && !off.includes(name);
  return { i: value("i"), m: value("m"), s: value("s"), U: value("U") };
}
