import { type Inline, NotPlain, readFlow, readKey, readScalar } from "./plain-scalars.ts";

/** What was read without the YAML library. */
export interface PlainYaml {
  readonly value: unknown;
  /** How a number or a truth was written, by its place. */
  readonly written: (at: readonly (string | number)[]) => string | undefined;
  /** Line of each item of the list under this key of the top, from 1. */
  readonly lines: readonly number[];
}

/**
 * Reads the YAML that test files are mostly written in: maps and lists by indentation, `{}` and `[]` on one line, scalars on
 * one line, `|` blocks, comments. `undefined` for everything else, right or wrong: the YAML library reads that, at ten times
 * the cost (loading it takes as long as starting Node half). What is read here means the same there.
 */
export function readPlainYaml(text: string, listKey: string): PlainYaml | undefined {
  if (/[\t\r\uFEFF\u0085\u2028\u2029]|^(?:---|\.\.\.|%)/mu.test(text)) return undefined;
  try {
    const reader = new Reader(text.split("\n"), listKey);
    const value = reader.document();
    const { written, lines } = reader;
    return { value, lines, written: (at) => written.get(at.map((part) => `\0${part}`).join("")) };
  } catch (error) {
    // Lists in lists without end run out of stack: the library says where.
    if (error instanceof NotPlain || error instanceof RangeError) return undefined;
    throw error;
  }
}

interface Line {
  /** Column of the first character that is not a space. */
  readonly indent: number;
  readonly text: string;
}

class Reader {
  readonly written: Map<string, string> = new Map();
  readonly lines: number[] = [];
  readonly #raw: readonly string[];
  readonly #listPath: string;
  /** Number of the line under way, and what is left of it to read. */
  #at = -1;
  #line: Line | undefined;

  constructor(raw: readonly string[], listKey: string) {
    this.#raw = raw;
    this.#listPath = `\0${listKey}`;
    this.#next();
  }

  document(): unknown {
    if (this.#line === undefined || this.#line.indent !== 0 || isItem(this.#line.text)) throw new NotPlain();
    const value = this.#map(0, "");
    if (this.#line !== undefined) throw new NotPlain();
    return value;
  }

  /** Goes on to the next line that holds something. */
  #next(): void {
    for (this.#at += 1; this.#at < this.#raw.length; this.#at += 1) {
      const raw = this.#raw[this.#at] ?? "";
      const text = raw.trim();
      if (text === "" || text.startsWith("#")) continue;
      this.#line = { indent: indentOf(raw), text };
      return;
    }
    this.#line = undefined;
  }

  /** The map whose keys stand in this column. */
  #map(indent: number, path: string): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let line = this.#line; line?.indent === indent && !isItem(line.text); line = this.#line) {
      const { key, rest } = readKey(line.text);
      if (Object.hasOwn(map, key)) throw new NotPlain();
      map[key] = this.#value(rest, indent, `${path}\0${key}`);
    }
    this.#closed(indent);
    return map;
  }

  /** The list whose dashes stand in this column. */
  #list(indent: number, path: string): unknown[] {
    const list: unknown[] = [];
    for (let line = this.#line; line?.indent === indent && isItem(line.text); line = this.#line) {
      if (path === this.#listPath) this.lines.push(this.#at + 1);
      list.push(this.#item(line, `${path}\0${list.length}`));
    }
    this.#closed(indent);
    return list;
  }

  #item({ indent, text }: Line, path: string): unknown {
    const rest = text.slice(1).trimStart();
    if (rest === "" || rest.startsWith("#")) throw new NotPlain();
    const column = indent + text.length - rest.length;
    const first = rest.charAt(0);
    if (first === "{" || first === "[") return this.#inline(rest, indent, path);
    if (isItem(rest)) throw new NotPlain();
    if (!hasKey(rest)) return this.#inline(rest, indent, path);
    this.#line = { indent: column, text: rest };
    return this.#map(column, path);
  }

  /** What follows a key: on its line, or in the lines below that are further in. */
  #value(rest: string, indent: number, path: string): unknown {
    if (rest.startsWith("|")) return this.#literal(rest, indent);
    if (rest !== "" && !rest.startsWith("#")) return this.#inline(rest, indent, path);
    this.#next();
    const line = this.#line;
    if (line === undefined || line.indent < indent) return null;
    if (isItem(line.text)) return this.#list(line.indent, path);
    return line.indent === indent ? null : this.#map(line.indent, path);
  }

  #inline(text: string, indent: number, path: string): unknown {
    const first = text.charAt(0);
    const note: Inline = { path, written: this.written };
    const value = first === "{" || first === "[" ? readFlow(text, note) : readScalar(text, note);
    this.#next();
    // A line further in would go on with the scalar.
    if (this.#line !== undefined && this.#line.indent > indent) throw new NotPlain();
    return value;
  }

  /** Nothing may stand further in than what is read, but less far out than where it began. */
  #closed(indent: number): void {
    if (this.#line !== undefined && this.#line.indent > indent) throw new NotPlain();
  }

  /** `|` and `|-`: lines as they are, without their common indentation. */
  #literal(header: string, indent: number): string {
    if (header !== "|" && header !== "|-") throw new NotPlain();
    const column = indentOf(this.#raw[this.#at + 1] ?? "");
    if (column <= indent) throw new NotPlain();
    const rest = this.#raw.slice(this.#at + 1);
    const length = rest.findIndex((raw) => raw !== "" && indentOf(raw) <= indent);
    const block = length === -1 ? rest : rest.slice(0, length);
    const odd = (raw: string): boolean => raw !== "" && (indentOf(raw) < column || raw.trim() === "");
    if (block.some(odd)) throw new NotPlain();
    const lines = block.map((raw) => raw.slice(column));
    this.#at += block.length;
    this.#next();
    while (lines.at(-1) === "") lines.pop();
    return `${lines.join("\n")}${header === "|" ? "\n" : ""}`;
  }
}

function indentOf(raw: string): number {
  return raw.length - raw.trimStart().length;
}

function isItem(text: string): boolean {
  return text === "-" || text.startsWith("- ");
}

/** Whether a line begins with a key; `NotPlain` decides what is hard to tell. */
function hasKey(text: string): boolean {
  return /^(?:"[^"\\]*"|'[^']*'|[^"'{[].*?):(?: |$)/u.test(text);
}
