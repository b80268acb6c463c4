import type { Node, Pair, Scalar } from "yaml";
import { claimField } from "./claim-field.ts";
import type { ParsedText } from "./parse-textproto.ts";
import { TEST_SUITE_READ } from "./runner-schema.ts";
import { TextProblem } from "./textproto-lexer.ts";
import { scalarOf } from "./textproto-scalar.ts";
import {
  emptyMessage,
  type FieldSchema,
  type MessageSchema,
  type TextMessage,
  type TextPlace,
} from "./textproto-schema.ts";
import { utf8Bytes } from "./textproto-strings.ts";

/**
 * Reads the YAML form of a suite: the names of the textproto form, and those of the tester's own converter where they
 * differ (`tests`, `headers` of an input, `body_chunking_plan`, a header as one text `key: value`). Where a list is
 * expected one value is a list of one. Unlike there, a name it does not know is an error. Throws `TextProblem`.
 */
export async function readYamlSuite(text: string): Promise<ParsedText> {
  const yaml = await import("yaml");
  const counter = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: counter, keepSourceTokens: false, schema: "core" });
  const placeAt = (offset: number): TextPlace => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const [error] = document.errors;
  if (error !== undefined) throw new TextProblem(firstLine(error.message), placeAt(error.pos[0]));
  const reader = new YamlReader(yaml, placeAt);
  const message =
    document.contents === null ? emptyMessage(TEST_SUITE_READ) : reader.message(document.contents, TEST_SUITE_READ);
  return { message, places: reader.places };
}

function firstLine(message: string): string {
  return (message.split("\n")[0] ?? message).replace(/ at line \d+, column \d+:?$/u, "");
}

/** Other names a message's fields have in YAML. */
const ALIASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  TestSuite: { tests: "test" },
  Input: { headers: "header" },
};

interface GivenPair {
  readonly pair: Pair<Node, Node | null>;
  readonly given: Map<string, string>;
}

class YamlReader {
  readonly places: Map<object, TextPlace> = new Map();
  readonly #yaml: typeof import("yaml");
  readonly #placeAt: (offset: number) => TextPlace;

  constructor(yaml: typeof import("yaml"), placeAt: (offset: number) => TextPlace) {
    this.#yaml = yaml;
    this.#placeAt = placeAt;
  }

  message(node: Node, schema: MessageSchema): TextMessage {
    const message = this.#isHeaderText(node, schema) ? this.#header(node) : this.#map(node, schema);
    this.places.set(message, this.#place(node));
    return message;
  }

  #map(node: Node, schema: MessageSchema): TextMessage {
    if (!this.#yaml.isMap<Node, Node>(node)) throw this.#problem(node, `${schema.name} is a map of its fields`);
    const message = emptyMessage(schema);
    const given = new Map<string, string>();
    for (const pair of node.items) this.#field(message, schema, { pair, given });
    return message;
  }

  #field(message: TextMessage, schema: MessageSchema, { pair, given }: GivenPair): void {
    const { key, value } = pair;
    const written = this.#yaml.isScalar(key) ? textOf(key) : "";
    if (schema.name === "Test" && snakeCase(written) === "body_chunking_plan" && this.#yaml.isMap<Node, Node>(value)) {
      for (const inner of value.items) this.#field(message, schema, { pair: inner, given });
      return;
    }
    const name = ALIASES[schema.name]?.[written] ?? snakeCase(written);
    const claim = claimField(schema, name, { given, again: false });
    if ("problem" in claim) throw this.#problem(key, claim.problem, claim.hint);
    const { field, property } = claim;
    if (value !== null && !this.#isLeftOut(value, field)) message[property] = this.#value(value, written, field);
  }

  /** What is written as nothing is not given; a text is empty then. */
  #isLeftOut(node: Node, { type }: FieldSchema): boolean {
    return type !== "string" && type !== "bytes" && this.#yaml.isScalar(node) && node.value === null;
  }

  #value(node: Node, name: string, field: FieldSchema): unknown {
    if (field.repeated !== true) return this.#single(node, name, field);
    const items = this.#yaml.isSeq<Node>(node) ? node.items : [node];
    return items.map((item) => this.#single(item, name, field));
  }

  #single(node: Node, name: string, { type }: FieldSchema): unknown {
    if (typeof type === "object" && "message" in type) return this.message(node, type.message);
    if (!this.#yaml.isScalar(node)) throw this.#problem(node, `"${name}" is one value`);
    const text = textOf(node);
    if (type === "string") return text;
    if (type === "bytes") return utf8Bytes(text);
    const isEnum = typeof type === "object";
    const negative = text.startsWith("-");
    const word = isEnum ? text.toUpperCase() : negative ? text.slice(1) : text.toLowerCase();
    const kind = /^\d/u.test(word) ? "number" : "name";
    const result = scalarOf(type, { kind, text: word }, negative);
    if ("problem" in result) throw this.#problem(node, `"${name}" ${result.problem}`, result.hint);
    return result.value;
  }

  /** A header may be one text: `key: value`. */
  #isHeaderText(node: Node, { name }: MessageSchema): node is Scalar {
    return name === "Header" && this.#yaml.isScalar(node);
  }

  #header(node: Scalar): TextMessage {
    const text = textOf(node);
    const colon = text.indexOf(":", 1);
    if (colon === -1) throw this.#problem(node, `the header "${text}" is no text "key: value"`);
    return { key: text.slice(0, colon), value: utf8Bytes(text.slice(colon + 1).trim()) };
  }

  #problem(node: Node, message: string, hint?: string): TextProblem {
    return new TextProblem(message, this.#place(node), hint);
  }

  #place(node: Node): TextPlace {
    return this.#placeAt(node.range?.[0] ?? 0);
  }
}

/** The tester reads YAML by way of JSON, where Protobuf takes `requestHeaders` for `request_headers`. */
function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

/** As written: `yes`, `1.0` and `010` are texts where a text is expected, and nothing is the empty one. */
function textOf(node: Scalar): string {
  if (typeof node.value === "string") return node.value;
  return node.value === null ? "" : (node.source ?? JSON.stringify(node.value));
}
