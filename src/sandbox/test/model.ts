import type { Json } from "../../domain/json.ts";
import type { FailurePolicy } from "../../host/plugin-config.ts";
import type { ProfileName } from "../../host/profile.ts";
import type { CalloutExpectation, Expectation, Matcher, PhaseExpectation } from "./model-expect.ts";
import type { Body, Content, Duration, HeaderValues, Property, Text } from "./model-values.ts";

/**
 * A test file as it is written, in YAML, JSON or TypeScript (`docs/reference/test-files.md` tells what every key means; the
 * JSON Schema is made of `test-file-shape.ts`). Nothing is filled in: defaults are the runner's.
 */
export interface TestFile {
  readonly filter?: FilterSettings;
  /** Several filters in one chain, the first one nearest to the client; instead of `filter`. */
  readonly plugins?: readonly FilterSettings[];
  /** Whose rules the host follows; default `envoy`. */
  readonly profile?: ProfileName;
  /** Warnings of the host fail a test. */
  readonly strict?: boolean;
  /** For every test of the file; a test's own `given` is laid over it. */
  readonly given?: Given;
  readonly matrix?: Matrix;
  readonly tests: readonly TestCase[];
}

/** One filter and its place in a proxy. Paths start at the folder of the test file. */
export interface FilterSettings {
  readonly module?: string;
  /** Reference of an image in the local store. */
  readonly image?: string;
  readonly name?: string;
  readonly rootId?: string;
  readonly config?: Settings;
  /** Filters with the same module, `vmId` and `vmConfig` share one VM. */
  readonly vmId?: string;
  readonly vmConfig?: Settings;
  readonly env?: Readonly<Record<string, Text>>;
  readonly capabilities?: readonly string[];
  readonly failurePolicy?: FailurePolicy;
  readonly allowOnHeadersStopIteration?: boolean;
}

/** Text as it is, `@file` the content of a file, anything else its JSON. */
export type Settings = Json;

/** The whole file is run once for every combination. */
export interface Matrix {
  readonly modules?: readonly string[];
  readonly configs?: readonly Settings[];
  readonly profiles?: readonly ProfileName[];
}

/** One test: one exchange, or several `steps`, interleaved `streams`, single `phases`; with none of them, the start alone. */
export interface TestCase extends Exchange {
  readonly name: string;
  /** True, or why. */
  readonly skip?: boolean | string;
  /** Only tests with this are run. */
  readonly only?: boolean;
  readonly rootId?: string;
  readonly config?: Settings;
  readonly filter?: FilterSettings;
  readonly plugins?: readonly FilterSettings[];
  readonly profile?: ProfileName;
  readonly strict?: boolean;
  /** Worker threads of the proxy; default 1. `request.worker` says which one takes a stream. */
  readonly workers?: number;
  readonly given?: Given;
  readonly steps?: readonly Step[];
  readonly streams?: readonly Stream[];
  readonly phases?: readonly Phase[];
  readonly connection?: Connection;
  readonly bench?: Bench;
}

/** A request, what the other ends answer, and what is expected of all that. */
export interface Exchange {
  readonly request?: Request;
  readonly upstream?: Answer;
  readonly callouts?: readonly Callout[];
  readonly expect?: Expectation;
}

/** One of several exchanges that go on at the same time. */
export interface Stream extends Exchange {
  readonly name?: string;
  /** When it begins, counted from the test's start. */
  readonly at?: Duration;
}

/** Something done in turn; what it does is one key of these. */
export interface Step extends Exchange {
  readonly advance?: Duration;
  /** Calls `proxy_on_tick` of the filter of this name (true: of the first one), whatever its timer says. */
  readonly tick?: boolean | string;
  readonly enqueue?: { readonly queue: string; readonly message: Content; readonly vmId?: string };
  readonly share?: Readonly<Record<string, Content>>;
  readonly foreign?: { readonly id: number; readonly arguments?: Content };
}

/** What a client sends. Times in a body are virtual. */
export interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly scheme?: string;
  readonly protocol?: "http1" | "http2";
  /** `null` takes a default header away. */
  readonly headers?: HeaderValues;
  readonly body?: Body;
  readonly trailers?: HeaderValues;
  /** The client goes away after this time. */
  readonly abort?: Duration;
  /** Number of the proxy's worker, from 0. */
  readonly worker?: number;
}

/** What an upstream answers. */
export interface Answer {
  readonly status?: number;
  readonly headers?: HeaderValues;
  readonly body?: Body;
  readonly trailers?: HeaderValues;
  /** How long it takes, from the end of the request. */
  readonly after?: Duration;
  /** Breaks the connection off instead, or does not answer in time. */
  readonly fail?: "reset" | "timeout" | "refused" | "overflow";
  /** Answers on the request's headers, before its body has come. */
  readonly early?: boolean;
}

/** A request the filter is expected to send, and its answer. */
export interface Callout {
  /** Name of the cluster. */
  readonly to: string;
  /** How many of these in a row; default 1. */
  readonly times?: number;
  readonly expect?: CalloutExpectation;
  readonly answer?: CalloutAnswer;
  readonly grpc?: GrpcAnswer;
}

/** The answer to an HTTP callout; default 200 without a body, at once. */
export interface CalloutAnswer {
  readonly status?: number;
  readonly headers?: HeaderValues;
  readonly body?: Content;
  readonly trailers?: HeaderValues;
  readonly after?: Duration;
  readonly fail?: CalloutFailure;
}

/** `unknown-cluster` and `no-endpoint` refuse to send at all. */
export type CalloutFailure = "reset" | "timeout" | "unknown-cluster" | "no-endpoint";

/** The answer to a gRPC call or stream. */
export interface GrpcAnswer {
  readonly after?: Duration;
  readonly initialMetadata?: HeaderValues;
  readonly messages?: readonly Content[];
  readonly trailingMetadata?: HeaderValues;
  /** gRPC status; default 0. A stream stays open without it. */
  readonly status?: number;
  readonly message?: string;
  readonly fail?: "unknown-cluster" | "no-endpoint";
}

/** One event of a stream, driven by hand; `expect` looks at what came of it. */
export interface Phase {
  readonly requestHeaders?: PhaseHeaders;
  readonly requestBody?: PhaseBody;
  readonly requestTrailers?: HeaderValues;
  readonly responseHeaders?: PhaseHeaders;
  readonly responseBody?: PhaseBody;
  readonly responseTrailers?: HeaderValues;
  readonly advance?: Duration;
  readonly callouts?: readonly Callout[];
  readonly expect?: PhaseExpectation;
}

/** Exactly these headers; `:method` and the like are only there when they are written. */
export interface PhaseHeaders {
  readonly headers: HeaderValues;
  readonly endStream?: boolean;
}

/** One piece of a body. */
export interface PhaseBody {
  readonly chunk: Content;
  readonly endStream?: boolean;
}

/** A TCP connection: what comes from either side, in order. */
export interface Connection {
  readonly data: readonly ConnectionEvent[];
  readonly expect?: {
    readonly upstream?: Matcher;
    readonly downstream?: Matcher;
    readonly closed?: boolean;
  };
}

/** One event on a TCP connection. */
export interface ConnectionEvent {
  readonly downstream?: Content;
  readonly upstream?: Content;
  readonly close?: "downstream" | "upstream";
  readonly after?: Duration;
}

/** What is there before the test begins. */
export interface Given {
  /** Shared data by key, of the VM id the first filter has. */
  readonly shared?: Readonly<Record<string, Content>>;
  /** Messages in shared queues by name. */
  readonly queues?: Readonly<Record<string, readonly Content[]>>;
  readonly properties?: Readonly<Record<string, Property>>;
  /** Dynamic metadata: `metadata.filter_metadata.<name>.<key>`. */
  readonly metadata?: Readonly<Record<string, Readonly<Record<string, Property>>>>;
  readonly filterState?: Readonly<Record<string, Content>>;
  /** The wall clock at the start; default 2026-01-01T00:00:00Z. */
  readonly time?: string;
  /** Of the random numbers; default 1. */
  readonly seed?: number;
}

/** Figures to measure and what they may be. */
export interface Bench {
  /** Streams to drive; default 20000. */
  readonly streams?: number;
  readonly budget?: Budget;
}

/** The most a stream may cost. */
export interface Budget {
  /** Time, as a multiple of the same stream through a filter that does nothing. */
  readonly timesEmpty?: number;
  /** Host calls per stream. */
  readonly hostCalls?: number;
  /** Bytes of guest memory that stay behind per stream. */
  readonly memoryPerStream?: number;
  /** Microseconds of CPU per stream; fails only with `--strict-budgets`. */
  readonly microseconds?: number;
}
