import type { LogEntry } from "../../../host/environment.ts";
import type { Plugin } from "../../../host/plugin.ts";
import type { Failure } from "../case-result.ts";
import { checkLogs, checkPhase, type PhaseCheck } from "./check-phase.ts";
import { chunkBody } from "./chunk-body.ts";
import { GoogleHeaders } from "./google-headers.ts";
import { GoogleStream, type PhaseResult, streamInfoOf } from "./google-stream.ts";
import { Http1Problem, type Http1Kind, readHttp1Headers } from "./http1-headers.ts";
import type { FileReader } from "./match-text.ts";
import type { Recorder } from "./recorder.ts";
import type { GoogleExpectation, GoogleInput, GoogleInvocation, GoogleTest } from "./runner-schema.ts";
import { utf8Bytes } from "./textproto-strings.ts";

/** What a step of a case came to; after `ended` there is nothing more to try. */
export interface Checked {
  readonly failures: readonly Failure[];
  readonly ended: boolean;
}

/** A case and what it is driven with. */
export interface GoogleCaseOptions {
  readonly plugin: Plugin;
  readonly test: GoogleTest;
  /** Where the test stands in its file: `test[0]`. */
  readonly path: string;
  readonly recorder: Recorder;
  readonly readFile: FileReader;
}

/** The steps of one test, in the tester's order. Each is checked before the next is taken. */
export class GoogleCase {
  readonly #options: GoogleCaseOptions;
  /** How many lines were logged before the phase under way. */
  #logsBefore = 0;
  #stream: GoogleStream | undefined;

  constructor(options: GoogleCaseOptions) {
    this.#options = options;
  }

  *steps(): Generator<() => Checked> {
    const { test } = this.#options;
    yield () => this.#ended("plugin_init", this.#lifecycle("plugin_init", test.pluginInit, false));
    yield () => this.#create();
    yield () => this.#headers("request_headers", test.requestHeaders);
    yield () => this.#bodies("request_body", test.requestBody);
    yield () => this.#headers("response_headers", test.responseHeaders);
    yield () => this.#bodies("response_body", test.responseBody);
    yield () => this.#destroy();
  }

  #create(): Checked {
    const { plugin, test, recorder } = this.#options;
    this.#phase();
    const info = streamInfoOf(test, recorder.now);
    this.#stream = new GoogleStream(plugin.createHttpFilter(), info, (report) => recorder.reports.push(report));
    return this.#ended("stream_init", this.#lifecycle("stream_init", test.streamInit, true));
  }

  #headers(name: "request_headers" | "response_headers", invocation: GoogleInvocation | undefined): Checked {
    const stream = this.#stream;
    if (invocation === undefined || stream === undefined) return GOES_ON;
    const path = `${this.#options.path}.${name}`;
    const kind = name === "request_headers" ? "request" : "response";
    const input = this.#inputHeaders(invocation.input, kind);
    if ("problem" in input) return { failures: [failure(`${path}.input`, input.problem)], ended: true };
    this.#phase();
    const result = kind === "request" ? stream.requestHeaders(input) : stream.responseHeaders(input);
    return this.#ended(name, this.#check(`${path}.result`, invocation.result, result));
  }

  #bodies(name: "request_body" | "response_body", invocations: readonly GoogleInvocation[]): Checked {
    const { test, path } = this.#options;
    if (invocations.length > 1 && (test.numChunks !== undefined || test.chunkSize !== undefined)) {
      const message = `there are ${invocations.length} ${name}, and a test that cuts bodies takes one`;
      return { failures: [failure(`${path}.${name}`, message)], ended: true };
    }
    const failures: Failure[] = [];
    for (const [index, invocation] of invocations.entries()) {
      const checked = this.#body(name, `${path}.${name}[${index}]`, invocation);
      failures.push(...checked.failures);
      if (checked.ended) return { failures, ended: true };
    }
    return { failures, ended: false };
  }

  #body(name: "request_body" | "response_body", path: string, invocation: GoogleInvocation): Checked {
    const body = this.#read(() => this.#inputBody(invocation.input));
    const pieces = typeof body === "string" ? chunkBody(body, this.#options.test) : body;
    if ("problem" in pieces) return { failures: [failure(`${path}.input`, pieces.problem)], ended: true };
    let whole: PhaseResult | undefined;
    for (const [index, piece] of pieces.entries()) {
      // Only what was logged with the last piece is looked at: the tester forgets the lines before every call.
      this.#phase();
      const result = this.#piece(name, piece, index === pieces.length - 1);
      if (result === undefined) return GOES_ON;
      whole = { ...result, body: (whole?.body ?? "") + result.body, reply: whole?.reply ?? result.reply };
      const failed = this.#ended(name, []);
      if (failed.ended) return failed;
    }
    const failures = whole === undefined ? [] : this.#check(`${path}.result`, invocation.result, whole);
    return { failures, ended: false };
  }

  #piece(name: "request_body" | "response_body", piece: string, endStream: boolean): PhaseResult | undefined {
    return name === "request_body"
      ? this.#stream?.requestBody(piece, endStream)
      : this.#stream?.responseBody(piece, endStream);
  }

  #destroy(): Checked {
    this.#phase();
    this.#stream?.destroy();
    return this.#ended("stream_destroy", this.#lifecycle("stream_destroy", this.#options.test.streamDestroy, true));
  }

  /** A phase begins: what was logged before is not its own. */
  #phase(): void {
    this.#logsBefore = this.#options.recorder.logs.length;
  }

  #lifecycle(name: string, expected: GoogleExpectation | undefined, ofStream: boolean): Failure[] {
    if (expected === undefined) return [];
    return checkLogs(this.#phaseCheck(`${this.#options.path}.${name}`, expected, ofStream));
  }

  #check(path: string, expected: GoogleExpectation | undefined, result: PhaseResult): Failure[] {
    return checkPhase(this.#phaseCheck(path, expected ?? NO_EXPECTATION, true), result);
  }

  #phaseCheck(path: string, expected: GoogleExpectation, ofStream: boolean): PhaseCheck {
    const { recorder, readFile } = this.#options;
    const lines = recorder.logs.slice(this.#logsBefore).filter((entry) => isLineOf(entry, ofStream));
    return { expected, path, logs: lines.map(({ text }) => utf8Bytes(text)), readFile };
  }

  /** Nothing more can be tried once the VM is gone. */
  #ended(name: string, failures: readonly Failure[]): Checked {
    const { plugin, path } = this.#options;
    if (!plugin.failed) return { failures, ended: false };
    return { failures: [failure(`${path}.${name}`, "the filter failed: its VM is gone")], ended: true };
  }

  #inputHeaders(input: GoogleInput | undefined, kind: Http1Kind): GoogleHeaders | { readonly problem: string } {
    const { file = "", content = "" } = input ?? {};
    if (file !== "" || content !== "") {
      return this.#read(() => readHttp1Headers(file === "" ? content : this.#options.readFile(file), kind));
    }
    const headers = new GoogleHeaders();
    for (const { key = "", value = "" } of input?.header ?? []) headers.add(utf8Bytes(key), value);
    return headers;
  }

  #inputBody(input: GoogleInput | undefined): string {
    const { file = "", content = "" } = input ?? {};
    return file === "" ? content : this.#options.readFile(file);
  }

  /** Files that are not there and texts that are no HTTP end the case, not the run. */
  #read<T>(read: () => T): T | { readonly problem: string } {
    try {
      return read();
    } catch (error) {
      if (error instanceof Http1Problem || error instanceof Error) return { problem: error.message };
      throw error;
    }
  }
}

const GOES_ON: Checked = { failures: [], ended: false };
const NO_EXPECTATION: GoogleExpectation = { hasHeader: [], noHeader: [], headers: [], body: [], log: [] };

/** Lines count for the context they were written in; those of the module's own start and the host's count for none. */
function isLineOf(entry: LogEntry, ofStream: boolean): boolean {
  return entry.source !== "host" && entry.contextId !== undefined && entry.stream === ofStream;
}

function failure(path: string, message: string): Failure {
  return { path, message, expected: undefined, actual: undefined };
}
