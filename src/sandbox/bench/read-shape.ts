import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf, usageError } from "../../domain/errors.ts";
import { readTextFile } from "../../platform/read-file.ts";
import { isGoogleTestFile } from "../test/google/read-google-tests.ts";
import { parseTestFile } from "../test/parse-test-file.ts";
import { fileReader } from "../test/values.ts";
import type { CrowdSize } from "./crowd.ts";
import { defaultShape, type StreamShape } from "./stream-shape.ts";
import { shapeOfTest } from "./test-shape.ts";

/** How a user says what a stream looks like. */
export interface ShapeRequest {
  /** A test file, and the name of one of its tests. */
  readonly testFile: string | undefined;
  readonly testName: string | undefined;
  /** Lines `name: value`. */
  readonly headers: readonly string[];
  /** Text, or `@file`. */
  readonly body: string | undefined;
  readonly responseHeaders: readonly string[];
  readonly responseBody: string | undefined;
}

/** A stream, and how many others are to be open meanwhile. */
export interface ReadShape {
  readonly shape: StreamShape;
  readonly crowd: CrowdSize | undefined;
}

/**
 * The stream to measure with: an ordinary GET or a test's, with what the user changed. Throws `HEADER_INVALID`,
 * `TEST_NOT_FOUND`, `FILE_UNREADABLE` and what reading a test file throws (usage).
 */
export async function readShape(request: ShapeRequest, cwd: string): Promise<ReadShape> {
  const { testFile, testName } = request;
  const read = testFile === undefined ? { shape: defaultShape() } : await shapeOfFile(testFile, testName, cwd);
  const base = read.shape;
  const requestBody = await bodyOf(request.body, "--body", cwd);
  const responseBody = await bodyOf(request.responseBody, "--response-body", cwd);
  const post = requestBody === undefined ? [] : [":method: POST", `content-length: ${requestBody.length}`];
  const length = responseBody === undefined ? [] : [`content-length: ${responseBody.length}`];
  const shape = {
    ...base,
    requestHeaders: withHeaders(base.requestHeaders, [...post, ...request.headers]),
    requestBody: requestBody === undefined ? base.requestBody : [requestBody],
    responseHeaders: withHeaders(base.responseHeaders, [...length, ...request.responseHeaders]),
    responseBody: responseBody === undefined ? base.responseBody : [responseBody],
  };
  return { crowd: undefined, ...read, shape };
}

async function shapeOfFile(
  path: string,
  name: string | undefined,
  cwd: string,
): Promise<Pick<ReadShape, "shape"> & Partial<ReadShape>> {
  const text = await readTextFile(path, { cwd, what: "--test" });
  if (isGoogleTestFile(text, path)) {
    const { shapeOfGoogleTests } = await import("./google-shape.ts");
    return await shapeOfGoogleTests(text, { path, name, cwd });
  }
  const { file } = await parseTestFile(text, path);
  const test =
    name === undefined
      ? file.tests.find(({ request }) => request !== undefined)
      : file.tests.find((one) => one.name === name);
  if (test !== undefined) return { shape: shapeOfTest(test, fileReader(dirname(resolve(cwd, path)))) };
  const names = file.tests.map((one) => one.name);
  const what = name === undefined ? "no test with a request" : `no test ${JSON.stringify(name)}`;
  throw usageError("TEST_NOT_FOUND", `${path} has ${what}`, { hint: `it has: ${names.join(", ")}` });
}

async function bodyOf(given: string | undefined, what: string, cwd: string): Promise<Uint8Array | undefined> {
  if (given === undefined) return undefined;
  if (!given.startsWith("@")) return new TextEncoder().encode(given);
  const path = given.slice(1);
  try {
    return new Uint8Array(await readFile(resolve(cwd, path)));
  } catch (error) {
    throw usageError("FILE_UNREADABLE", `${what}: cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Puts headers in the place of those of their names; one without a value takes the name away. */
function withHeaders(flat: readonly string[], lines: readonly string[]): string[] {
  const pairs = Array.from(
    { length: flat.length / 2 },
    (_, at) => [flat[at * 2] ?? "", flat[at * 2 + 1] ?? ""] as const,
  );
  const own = lines.map(readLine);
  const names = new Set(own.map(([name]) => name));
  const kept = pairs.filter(([name]) => !names.has(name));
  const given = own.filter(([, value]) => value !== "");
  const pseudo = given.filter(([name]) => name.startsWith(":"));
  return [...pseudo, ...kept, ...given.filter(([name]) => !name.startsWith(":"))].flat();
}

function readLine(line: string): readonly [string, string] {
  const colon = line.indexOf(":", 1);
  if (colon === -1) {
    throw usageError("HEADER_INVALID", `${JSON.stringify(line)} is no header`, { hint: "write it like x-name: value" });
  }
  const bytes = Buffer.from(line.slice(colon + 1).trim(), "utf8").toString("latin1");
  return [line.slice(0, colon).trim().toLowerCase(), bytes];
}
