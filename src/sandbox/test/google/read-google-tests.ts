import { usageError } from "../../../domain/errors.ts";
import { parseTextproto } from "./parse-textproto.ts";
import { printTextproto } from "./print-textproto.ts";
import { type GoogleSuite, type GoogleTest, suiteOfToday, TEST_SUITE, TEST_SUITE_READ } from "./runner-schema.ts";
import { TextProblem } from "./textproto-lexer.ts";
import type { TextMessage, TextPlace } from "./textproto-schema.ts";

/** A test file of Google's plugin tester. */
export interface GoogleTestFile {
  /** As the user named it. */
  readonly path: string;
  readonly suite: GoogleSuite;
  /** Line each test begins on. */
  readonly lines: ReadonlyMap<GoogleTest, number>;
}

/**
 * Whether a file is one of Google's: by its ending (`.textpb`, `.textproto`, `.txtpb`, `.pbtxt`), or a YAML file whose
 * tests speak of the tester's phases. Looks, and does not parse.
 */
export function isGoogleTestFile(text: string, path: string): boolean {
  if (TEXT_ENDING.test(path)) return true;
  return YAML_ENDING.test(path) && /^tests?\s*:/mu.test(text) && PHASE.test(text) && !OURS.test(text);
}

const TEXT_ENDING = /\.(?:textpb|textproto|txtpb|pbtxt)$/iu;
const YAML_ENDING = /\.ya?ml$/iu;
const PHASE =
  /^[ \t-]+["']?(?:(?:request|response)(?:_h|H)eaders|(?:request|response)(?:_b|B)ody|(?:plugin|stream)(?:_i|I)nit|stream(?:_d|D)estroy)["']?\s*:/mu;
/** Words of wasme's own test files at the places where Google's have none. */
const OURS = /^["']?(?:filter|matrix|\$schema)["']?\s*:|^[ \t-]+["']?(?:expect|steps|given)["']?\s*:/mu;

/**
 * Reads a test file of Google's plugin tester, textproto or YAML. Throws `TEST_FILE_INVALID` (usage) with line and column.
 */
export async function readGoogleTests(text: string, path: string): Promise<GoogleTestFile> {
  try {
    const read = YAML_ENDING.test(path) ? await readYaml(text) : parseTextproto(text, TEST_SUITE_READ);
    return fileOf(path, read.message, read.places);
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error;
    const { line, column } = error.place;
    throw usageError("TEST_FILE_INVALID", `${path}:${line}:${column}: ${error.message}`, {
      details: { file: path, line, column },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

/** Only YAML files pay for the YAML parser. */
async function readYaml(text: string): ReturnType<typeof import("./read-yaml-suite.ts").readYamlSuite> {
  const { readYamlSuite } = await import("./read-yaml-suite.ts");
  return await readYamlSuite(text);
}

/** Writes the suite as textproto; reading it again gives the same suite. */
export function printGoogleTests(suite: GoogleSuite): string {
  return printTextproto(suite as unknown as TextMessage, TEST_SUITE);
}

function fileOf(path: string, message: TextMessage, places: ReadonlyMap<object, TextPlace>): GoogleTestFile {
  const suite = suiteOfToday(message);
  const lines = new Map(suite.test.map((test) => [test, places.get(test)?.line ?? 1]));
  return { path, suite, lines };
}
