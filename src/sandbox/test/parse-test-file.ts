import { messageOf, usageError, type WasmeError } from "../../domain/errors.ts";
import { isObject, type JsonObject } from "../../domain/json.ts";
import { misplaced } from "./misplaced.ts";
import type { TestFile } from "./model.ts";
import { formatPlace } from "./format-place.ts";
import { readPlainYaml } from "./plain-yaml.ts";
import type { Mistake, Place } from "./shape.ts";
import { testFile } from "./test-file-shape.ts";

type Yaml = typeof import("yaml");
type Document = ReturnType<Yaml["parseDocument"]>;

/** A test file that was read, with the places things stand at. */
export interface ParsedTestFile {
  /** As the user named it. */
  readonly path: string;
  readonly file: TestFile;
  /** From 1; of a test (`tests`, 2). `undefined` where there is no text. */
  readonly lineOf: (place: Place) => number | undefined;
}

/** Bytes of a test file. */
export const MAX_TEST_FILE: number = 4 * 1024 * 1024;
/** Tests of a file. */
export const MAX_TESTS = 10_000;
const MAX_ALIASES = 100;
const SHOWN = 4;

/**
 * Reads a test file, YAML or JSON. Throws `TEST_FILE_INVALID` (usage): the message is the first mistake with file, line
 * and column, its causes are the next ones, `details.mistakes` has them all.
 */
export async function parseTestFile(text: string, path: string): Promise<ParsedTestFile> {
  if (text.length > MAX_TEST_FILE) throw invalid(path, [{ line: 1, column: 1, message: "it is larger than 4 MiB" }]);
  const plain = parsePlain(text, path);
  if (plain !== undefined) return plain;
  const yaml = await import("yaml");
  const counter = new yaml.LineCounter();
  const document = parse(yaml, text, path, counter);
  const positionOf = (offset: number): { line: number; column: number } => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  // After the first one, YAML's other mistakes are mostly its consequences.
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, column } = positionOf(error.pos[0]);
    const message = `${firstLine(error.message)}${commentHint(text, line)}`;
    throw invalid(path, [{ line, column, message }]);
  }
  const value = toValue(document, path);
  const mistakes: Mistake[] = [];
  const written = (place: Place): string | undefined => sourceOf(yaml, document, place);
  const file = testFile.read(value, [], { mistakes, written });
  if (file !== undefined && file.tests.length > MAX_TESTS) {
    mistakes.push({ at: ["tests"], ofKey: true, message: `it has more than ${MAX_TESTS} tests` });
  }
  if (file !== undefined) mistakes.push(...misplaced(file));
  if (file === undefined || mistakes.length > 0) {
    const found = mistakes.map(({ at, ofKey, message }) => ({
      ...positionOf(offsetOf(yaml, document, at, ofKey)),
      message: `${ofKey || at.length === 0 ? "" : `${formatPlace(at)}: `}${message}`,
    }));
    throw invalid(
      path,
      found.toSorted((a, b) => a.line - b.line || a.column - b.column),
    );
  }
  return { path, file, lineOf: (place) => positionOf(offsetOf(yaml, document, place, true)).line };
}

/** Reads a file that is plain and without a mistake; any other is for the library, which knows all places. */
function parsePlain(text: string, path: string): ParsedTestFile | undefined {
  const plain = readPlainYaml(text, "tests");
  if (plain === undefined) return undefined;
  const mistakes: Mistake[] = [];
  const file = testFile.read(plain.value, [], { mistakes, written: plain.written });
  if (file === undefined || mistakes.length > 0 || file.tests.length > MAX_TESTS || misplaced(file).length > 0) {
    return undefined;
  }
  const lineOf = ([key, index]: Place): number | undefined =>
    key === "tests" && typeof index === "number" ? plain.lines[index] : undefined;
  return { path, file, lineOf };
}

/** Checks a test file that is a value already, as the TypeScript API gets it. Throws `TEST_FILE_INVALID` (usage). */
export function checkTestFile(value: unknown, path: string): TestFile {
  const mistakes: Mistake[] = [];
  const file = testFile.read(value, [], { mistakes });
  if (file !== undefined) mistakes.push(...misplaced(file));
  if (file !== undefined && mistakes.length === 0) return file;
  const found = mistakes.map(({ at, message }) => `${at.length === 0 ? "" : `${formatPlace(at)}: `}${message}`);
  throw refused(`${path}: ${found[0] ?? "not a test file"}`, found.slice(1), found);
}

/** The JSON Schema of a test file (2020-12), made of the same shapes as the parser. */
export function testFileSchema(): JsonObject {
  const defs = new Map<string, JsonObject>();
  const root = testFile.schema(defs);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "wasme test file",
    description: "Tests of a Proxy-Wasm filter, for `wasme test`.",
    ...root,
    $defs: Object.fromEntries([...defs].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

interface Found {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

function invalid(path: string, found: readonly Found[]): WasmeError {
  const lines = found.map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`);
  return refused(lines[0] ?? path, lines.slice(1), lines);
}

function refused(message: string, others: readonly string[], mistakes: readonly string[]): WasmeError {
  const shown = others.slice(0, others.length > SHOWN ? SHOWN - 1 : SHOWN);
  const rest = others.length - shown.length;
  const all = rest > 0 ? [...shown, `and ${rest} more`] : shown;
  const cause = all.reduceRight<Error | undefined>((inner, line) => new Error(line, { cause: inner }), undefined);
  return usageError("TEST_FILE_INVALID", message, {
    hint: "docs/reference/test-files.md tells every key; wasme test --schema prints the JSON Schema for editors",
    details: { mistakes },
    ...(cause === undefined ? {} : { cause }),
  });
}

function parse(yaml: Yaml, text: string, path: string, lineCounter: InstanceType<Yaml["LineCounter"]>): Document {
  try {
    return yaml.parseDocument(text, { lineCounter, merge: true, prettyErrors: false });
  } catch (error) {
    // Lists in lists without end run out of stack.
    throw invalid(path, [{ line: 1, column: 1, message: `cannot be read: ${messageOf(error)}` }]);
  }
}

function toValue(document: Document, path: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    JSON.stringify(value); // throws for an anchor that holds itself
    return value ?? {};
  } catch (error) {
    throw invalid(path, [{ line: 1, column: 1, message: firstLine(messageOf(error)) }]);
  }
}

/** The usual reason: text with ` #` in it that is not in quotes ends there. */
function commentHint(text: string, line: number): string {
  const lines = text.split("\n").slice(Math.max(0, line - 2), line);
  return lines.some((one) => /[{[].*[^"'] #/u.test(one))
    ? "; a # after a space begins a comment, put the text in quotes"
    : "";
}

function sourceOf(yaml: Yaml, document: Document, place: Place): string | undefined {
  const node: unknown = document.getIn(place, true);
  const scalar = yaml.isAlias(node) ? node.resolve(document) : node;
  return yaml.isScalar(scalar) ? scalar.source : undefined;
}

/** Offset of the value at a place, or of its key; of what holds it when it is not there. */
function offsetOf(yaml: Yaml, document: Document, place: Place, ofKey: boolean): number {
  let node: unknown = document.contents;
  let offset = rangeOf(node) ?? 0;
  for (const [depth, part] of place.entries()) {
    if (yaml.isAlias(node)) node = node.resolve(document);
    if (yaml.isMap(node)) {
      const pair = node.items.find(({ key }) => String(yaml.isScalar(key) ? key.value : key) === String(part));
      if (pair === undefined) return offset;
      const last = depth === place.length - 1;
      offset = (last && ofKey ? rangeOf(pair.key) : (rangeOf(pair.value) ?? rangeOf(pair.key))) ?? offset;
      node = pair.value;
    } else if (yaml.isSeq(node)) {
      node = node.items[Number(part)];
      offset = rangeOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeOf(node: unknown): number | undefined {
  if (!isObject(node) || !Array.isArray(node["range"])) return undefined;
  const [start] = node["range"] as unknown[];
  return typeof start === "number" ? start : undefined;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
