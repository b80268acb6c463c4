import { claimField } from "./claim-field.ts";
import { type Token, TextLexer } from "./textproto-lexer.ts";
import { scalarOf } from "./textproto-scalar.ts";
import {
  emptyMessage,
  type FieldSchema,
  type MessageSchema,
  type TextMessage,
  type TextPlace,
} from "./textproto-schema.ts";

/** A text read: the message, and where each message in it began. */
export interface ParsedText {
  readonly message: TextMessage;
  readonly places: ReadonlyMap<object, TextPlace>;
}

/**
 * Reads a message in Protobuf's text format, as the language is documented: comments, every escape, adjacent strings,
 * `{}` and `<>`, lists, separators. Extensions and `Any` are refused, as the schema has none. Throws `TextProblem`.
 */
export function parseTextproto(text: string, schema: MessageSchema): ParsedText {
  return new Parser(text).parse(schema);
}

class Parser {
  readonly #lexer: TextLexer;
  readonly #places = new Map<object, TextPlace>();
  #token: Token;

  constructor(text: string) {
    this.#lexer = new TextLexer(text);
    this.#token = this.#lexer.next();
  }

  parse(schema: MessageSchema): ParsedText {
    const message = this.#fields(schema, "");
    return { message, places: this.#places };
  }

  /** Fields up to the closing bracket, which is taken; the outermost message ends with the text. */
  #fields(schema: MessageSchema, close: string): TextMessage {
    const message = emptyMessage(schema);
    const given = new Map<string, string>();
    while (!(close === "" ? this.#token.kind === "end" : this.#is(close))) {
      if (this.#token.kind === "end") throw this.#problem(`${schema.name} is not closed: "${close}" is missing`);
      this.#field(message, schema, given);
      if (this.#is(",") || this.#is(";")) this.#take();
    }
    if (close !== "") this.#take();
    return message;
  }

  #field(message: TextMessage, schema: MessageSchema, given: Map<string, string>): void {
    const name = this.#fieldName(schema);
    const claim = claimField(schema, name.text, { given, again: true });
    if ("problem" in claim) throw this.#lexer.problem(claim.problem, name.at, claim.hint);
    const { field, property } = claim;
    if (this.#is(":")) this.#take();
    else if (!isMessage(field)) throw this.#problem(`a colon belongs between "${name.text}" and its value`);
    if (field.repeated === true) (message[property] as unknown[]).push(...this.#values(name.text, field));
    else message[property] = this.#value(name.text, field);
  }

  #fieldName(schema: MessageSchema): Token {
    if (this.#is("[")) throw this.#problem(`${schema.name} takes no extensions and no Any`);
    if (this.#token.kind === "name") return this.#take();
    throw this.#problem(`a field of ${schema.name} is expected here, not ${shown(this.#token)}`);
  }

  /** One value, or a list of them in brackets. */
  #values(name: string, field: FieldSchema): unknown[] {
    if (!this.#is("[")) return [this.#value(name, field)];
    this.#take();
    const values: unknown[] = [];
    if (!this.#is("]")) {
      values.push(this.#value(name, field));
      while (this.#is(",")) {
        this.#take();
        values.push(this.#value(name, field));
      }
    }
    if (!this.#is("]")) throw this.#problem(`"," or "]" is expected in the list "${name}", not ${shown(this.#token)}`);
    this.#take();
    return values;
  }

  #value(name: string, { type }: FieldSchema): unknown {
    const first = this.#token;
    if (typeof type === "object" && "message" in type) {
      const close = CLOSING[this.#is("{") || this.#is("<") ? first.text : ""];
      if (close === undefined) throw this.#problem(`"${name}" is a message: "{" is expected, not ${shown(first)}`);
      this.#take();
      const message = this.#fields(type.message, close);
      this.#places.set(message, this.#lexer.place(first.at));
      return message;
    }
    if (this.#is("[")) throw this.#problem(`"${name}" takes one value, not a list`);
    const negative = this.#is("-");
    if (negative) this.#take();
    const token = this.#take();
    let text = token.text;
    if (token.kind === "string") while (this.#token.kind === "string") text += this.#take().text;
    const result = scalarOf(type, { ...token, text }, negative);
    if ("problem" in result) throw this.#lexer.problem(`"${name}" ${result.problem}`, first.at, result.hint);
    return result.value;
  }

  #is(symbol: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === symbol;
  }

  #take(): Token {
    const token = this.#token;
    this.#token = this.#lexer.next();
    return token;
  }

  #problem(message: string, hint?: string): Error {
    return this.#lexer.problem(message, this.#token.at, hint);
  }
}

const CLOSING: Readonly<Record<string, string>> = { "{": "}", "<": ">" };

function isMessage({ type }: FieldSchema): boolean {
  return typeof type === "object" && "message" in type;
}

function shown({ kind, text }: Token): string {
  return kind === "end" ? text : kind === "string" ? "a string" : `"${text}"`;
}
