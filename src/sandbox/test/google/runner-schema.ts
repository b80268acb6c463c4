import { liftOlderForm, withOlderForm } from "./older-form.ts";
import type { FieldSchema, MessageSchema, TextMessage } from "./textproto-schema.ts";

/**
 * The test files of Google's plugin tester: the fields of its `runner.proto`, with the names a few of them had before
 * (`runtime`, `min_log_level`). Bytes are strings of bytes (latin1) throughout.
 */
export interface GoogleSuite {
  readonly env?: GoogleEnv;
  readonly test: readonly GoogleTest[];
}

/** What all tests of a file run with. */
export interface GoogleEnv {
  /** Where the tester put the path of the file; without effect. */
  readonly testPath?: string;
  readonly wasmPath?: string;
  readonly configPath?: string;
  readonly logLevel?: keyof typeof LOG_LEVEL;
  /** A file that gets every log line too. */
  readonly logPath?: string;
  /** The clock stands at this Unix second; unset or 0 is one millisecond after the epoch. */
  readonly timeSecs?: bigint;
  /** Benchmarks: streams kept open beside the measured one, and how many of them move a step per round. */
  readonly numAdditionalStreams?: bigint;
  readonly additionalStreamAdvanceRate?: bigint;
}

/** One stream through the filter. */
export interface GoogleTest {
  readonly name?: string;
  readonly benchmark?: boolean;
  /** How bodies are cut: into so many pieces, or pieces so large. At most one is given. */
  readonly numChunks?: number;
  readonly chunkSize?: bigint;
  /** All the properties there are while a stream runs. */
  readonly properties: readonly { readonly path?: string; readonly value?: string }[];
  readonly requestHeaders?: GoogleInvocation;
  readonly requestBody: readonly GoogleInvocation[];
  readonly responseHeaders?: GoogleInvocation;
  readonly responseBody: readonly GoogleInvocation[];
  readonly pluginInit?: GoogleExpectation;
  readonly streamInit?: GoogleExpectation;
  readonly streamDestroy?: GoogleExpectation;
}

/** One callback, or all those of one body. */
export interface GoogleInvocation {
  readonly input?: GoogleInput;
  readonly result?: GoogleExpectation;
}

/** Headers one by one, HTTP/1 text or a body, or a file with either. */
export interface GoogleInput {
  readonly header: readonly GoogleHeader[];
  readonly content?: string;
  readonly file?: string;
}

/** One header. */
export interface GoogleHeader {
  readonly key?: string;
  readonly value?: string;
}

/** What has to be after a callback. */
export interface GoogleExpectation {
  readonly hasHeader: readonly GoogleHeader[];
  readonly noHeader: readonly GoogleHeader[];
  /** Of lines `key: value`. */
  readonly headers: readonly GoogleMatcher[];
  readonly body: readonly GoogleMatcher[];
  readonly immediate?: { readonly httpStatus?: number; readonly grpcStatus?: number; readonly details?: string };
  readonly log: readonly GoogleMatcher[];
}

/** A text: itself, a regular expression of RE2 for the whole of it, or the content of a file. */
export interface GoogleMatcher {
  readonly invert?: boolean;
  readonly exact?: string;
  readonly regex?: string;
  readonly file?: string;
}

const LOG_LEVEL = { UNDEFINED: 0, TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, CRITICAL: 6 } as const;

const STRING: FieldSchema = { type: "string" };
const BYTES: FieldSchema = { type: "bytes" };
const BOOL: FieldSchema = { type: "bool" };
const UINT32: FieldSchema = { type: "uint32" };
const UINT64: FieldSchema = { type: "uint64" };

function one(message: MessageSchema): FieldSchema {
  return { type: { message } };
}

function many(message: MessageSchema): FieldSchema {
  return { type: { message }, repeated: true };
}

const MATCHER: MessageSchema = {
  name: "StringMatcher",
  fields: {
    invert: BOOL,
    exact: { type: "bytes", oneof: "matcher" },
    regex: { type: "string", oneof: "matcher" },
    file: { type: "string", oneof: "matcher" },
  },
};

const HEADER: MessageSchema = { name: "Header", fields: { key: STRING, value: BYTES } };

const INPUT: MessageSchema = { name: "Input", fields: { header: many(HEADER), content: BYTES, file: STRING } };

const IMMEDIATE: MessageSchema = {
  name: "Immediate",
  fields: { http_status: UINT32, grpc_status: UINT32, details: STRING },
};

const EXPECTATION: MessageSchema = {
  name: "Expectation",
  fields: {
    has_header: many(HEADER),
    no_header: many(HEADER),
    headers: many(MATCHER),
    body: many(MATCHER),
    immediate: one(IMMEDIATE),
    log: many(MATCHER),
  },
};

const LEVEL: FieldSchema = { type: { values: LOG_LEVEL } };

const ENV: MessageSchema = {
  name: "Env",
  fields: {
    test_path: STRING,
    wasm_path: STRING,
    config_path: STRING,
    log_level: LEVEL,
    min_log_level: { ...LEVEL, olderNameOf: "log_level" },
    log_path: STRING,
    time_secs: UINT64,
    num_additional_streams: UINT64,
    additional_stream_advance_rate: UINT64,
  },
};

const PROPERTY: MessageSchema = { name: "Property", fields: { path: STRING, value: BYTES } };

function suiteOf(expectation: MessageSchema): MessageSchema {
  const invocation: MessageSchema = { name: "Invocation", fields: { input: one(INPUT), result: one(expectation) } };
  const test: MessageSchema = {
    name: "Test",
    fields: {
      name: STRING,
      benchmark: BOOL,
      num_chunks: { type: "int32", oneof: "body_chunking_plan" },
      chunk_size: { type: "int64", oneof: "body_chunking_plan" },
      properties: many(PROPERTY),
      request_headers: one(invocation),
      request_body: many(invocation),
      response_headers: one(invocation),
      response_body: many(invocation),
      plugin_init: one(expectation),
      stream_init: one(expectation),
      stream_destroy: one(expectation),
    },
  };
  return {
    name: "TestSuite",
    fields: { env: one(ENV), runtime: { ...one(ENV), olderNameOf: "env" }, test: many(test) },
    insteadOf: "a plugin's configuration is no test file: name the test files, and give it with --config @FILE",
  };
}

/** The table of a whole file as it is written today. */
export const TEST_SUITE: MessageSchema = suiteOf(EXPECTATION);

/** The table of everything that is read: today's and the older form. */
export const TEST_SUITE_READ: MessageSchema = suiteOf(withOlderForm(EXPECTATION));

/** Turns a suite read by {@link TEST_SUITE_READ} into today's form, in place. */
export function suiteOfToday(message: TextMessage): GoogleSuite {
  for (const test of (message["test"] ?? []) as TextMessage[]) {
    for (const expectation of expectationsOf(test)) liftOlderForm(expectation);
  }
  // The tables and the interfaces say the same, field by field.
  return message as unknown as GoogleSuite;
}

function expectationsOf(test: TextMessage): TextMessage[] {
  const phases = ["requestHeaders", "requestBody", "responseHeaders", "responseBody"].flatMap(
    (name) => test[name] ?? [],
  );
  const results = (phases as TextMessage[]).map((phase) => phase["result"]);
  const found = [...results, test["pluginInit"], test["streamInit"], test["streamDestroy"]];
  return found.filter((expectation): expectation is TextMessage => expectation !== undefined);
}
