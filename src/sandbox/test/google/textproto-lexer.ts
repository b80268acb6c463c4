import { readEscape, utf8Bytes } from "./textproto-strings.ts";
import type { TextPlace } from "./textproto-schema.ts";

/** A piece of text: `string` holds its content as a string of bytes, the others what is written. */
export interface Token {
  readonly kind: "name" | "number" | "string" | "symbol" | "end";
  readonly text: string;
  /** Where it begins, as an offset. */
  readonly at: number;
}

/** Something that does not belong where it is. */
export class TextProblem extends Error {
  override readonly name: string = "TextProblem";
  readonly place: TextPlace;
  readonly hint: string | undefined;

  constructor(message: string, place: TextPlace, hint?: string) {
    super(message);
    this.place = place;
    this.hint = hint;
  }
}

/** Cuts a text in Protobuf's text format into tokens; comments and white space go. Throws {@link TextProblem}. */
export class TextLexer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): Token {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
    const at = this.#at;
    if (at >= this.#text.length) return { kind: "end", text: "the end of the file", at };
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at;
      const text = pattern.exec(this.#text)?.[0];
      if (text === undefined) continue;
      this.#at += text.length;
      return { kind, text, at };
    }
    if (this.#text[at] === '"' || this.#text[at] === "'") return { kind: "string", text: this.#string(), at };
    const odd = String.fromCodePoint(this.#text.codePointAt(at) ?? 0);
    throw this.problem(`"${odd}" has no meaning here`, at);
  }

  /** Where an offset is for a person. */
  place(at: number): TextPlace {
    const before = this.#text.slice(0, at);
    const lastBreak = before.lastIndexOf("\n");
    return { line: before.split("\n").length, column: at - lastBreak };
  }

  problem(message: string, at: number, hint?: string): TextProblem {
    return new TextProblem(message, this.place(at), hint);
  }

  /** The literal at the current place, as a string of bytes. */
  #string(): string {
    const text = this.#text;
    const opened = this.#at;
    const quote = text[opened];
    let bytes = "";
    let at = opened + 1;
    for (;;) {
      const character = text[at];
      if (character === undefined || character === "\n") {
        throw this.problem("this string has no end on its line", opened, `close it with ${quote ?? ""}, or write \\n`);
      }
      if (character === quote) break;
      if (character === "\\") {
        const escape = readEscape(text.slice(at, at + 12));
        if ("problem" in escape) throw this.problem(escape.problem, at);
        bytes += escape.bytes;
        at += escape.length;
      } else {
        let end = at + 1;
        while (end < text.length && !STOPS.has(text.charAt(end))) end += 1;
        bytes += utf8Bytes(text.slice(at, end));
        at = end;
      }
    }
    this.#at = at + 1;
    return bytes;
  }
}

const STOPS: ReadonlySet<string> = new Set(['"', "'", "\\", "\n"]);
const SPACE = /(?:[\s\ufeff]|#[^\n]*)*/uy;
const PATTERNS: readonly (readonly ["name" | "number" | "symbol", RegExp])[] = [
  ["name", /[A-Za-z_][A-Za-z0-9_]*/uy],
  ["number", /0[xX][0-9a-fA-F]+(?![\w.])|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?(?![\w.])/uy],
  ["symbol", /[{}<>[\]:;,\-/.]/uy],
];
