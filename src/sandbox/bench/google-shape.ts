import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { chunkBody } from "../test/google/chunk-body.ts";
import { readNamedFiles } from "../test/google/google-files.ts";
import { GoogleHeaders } from "../test/google/google-headers.ts";
import { readHttp1Headers } from "../test/google/http1-headers.ts";
import { readGoogleTests } from "../test/google/read-google-tests.ts";
import type { GoogleEnv, GoogleInvocation, GoogleTest } from "../test/google/runner-schema.ts";
import { bytesOf, utf8Bytes } from "../test/google/textproto-strings.ts";
import type { CrowdSize } from "./crowd.ts";
import type { StreamShape } from "./stream-shape.ts";

/** Which test of a file of Google's tester. */
export interface GoogleShapeRequest {
  readonly path: string;
  /** Default the first one with `benchmark: true`, or else the first one. */
  readonly name: string | undefined;
  readonly cwd: string;
}

/** The stream of a test, and those the file wants beside it. */
export interface GoogleShape {
  readonly shape: StreamShape;
  readonly crowd: CrowdSize | undefined;
}

/**
 * The stream a test of Google's tester describes, its bodies cut as it says. Throws `TEST_NOT_FOUND`, `TEST_FILE_INVALID`
 * and `TEST_INPUT_INVALID` (usage).
 */
export async function shapeOfGoogleTests(text: string, request: GoogleShapeRequest): Promise<GoogleShape> {
  const { path, name, cwd } = request;
  const { suite } = await readGoogleTests(text, path);
  const test = find(suite.test, name);
  if (test === undefined) {
    const names = suite.test.map((one) => one.name ?? "").join(", ");
    const what = name === undefined ? "no test" : `no test ${JSON.stringify(name)}`;
    throw usageError("TEST_NOT_FOUND", `${path} has ${what}`, { hint: `it has: ${names}` });
  }
  const files = await readNamedFiles(suite, resolve(cwd, path));
  const readFile = (named: string): string => {
    const file = files.get(named);
    if (file !== undefined && "content" in file) return file.content;
    throw new Error(file?.problem ?? `there is no file ${named}`);
  };
  try {
    return { shape: shapeOf(test, readFile), crowd: crowdOf(suite.env) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw usageError("TEST_INPUT_INVALID", `${path}: ${test.name ?? "the test"}: ${message}`, { cause: error });
  }
}

/** What the tester takes when only the number of streams is given. */
const DEFAULT_ADVANCE = 3;

function crowdOf({ numAdditionalStreams = 0n, additionalStreamAdvanceRate = 0n }: GoogleEnv = {}):
  | CrowdSize
  | undefined {
  if (numAdditionalStreams === 0n) return undefined;
  const advance = additionalStreamAdvanceRate === 0n ? DEFAULT_ADVANCE : Number(additionalStreamAdvanceRate);
  return { streams: Number(numAdditionalStreams), advance };
}

function find(tests: readonly GoogleTest[], name: string | undefined): GoogleTest | undefined {
  if (name !== undefined) return tests.find((test) => test.name === name);
  return tests.find((test) => test.benchmark === true) ?? tests[0];
}

type ReadFile = (path: string) => string;

function shapeOf(test: GoogleTest, readFile: ReadFile): StreamShape {
  return {
    requestHeaders: headersOf(test.requestHeaders, "request", readFile).flat,
    requestBody: test.requestBody.flatMap((body) => pieces(body, test, readFile)),
    responseHeaders: headersOf(test.responseHeaders, "response", readFile).flat,
    responseBody: test.responseBody.flatMap((body) => pieces(body, test, readFile)),
  };
}

function headersOf(
  phase: GoogleInvocation | undefined,
  kind: "request" | "response",
  readFile: ReadFile,
): GoogleHeaders {
  const { file = "", content = "", header = [] } = phase?.input ?? {};
  if (file !== "" || content !== "") return readHttp1Headers(file === "" ? content : readFile(file), kind);
  const headers = new GoogleHeaders();
  for (const { key = "", value = "" } of header) headers.add(utf8Bytes(key), value);
  return headers;
}

function pieces({ input }: GoogleInvocation, test: GoogleTest, readFile: ReadFile): Uint8Array[] {
  const { file = "", content = "" } = input ?? {};
  const cut = chunkBody(file === "" ? content : readFile(file), test);
  if ("problem" in cut) throw new Error(cut.problem);
  return cut.map(bytesOf);
}
