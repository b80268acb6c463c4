import type { FixtureName } from "../components/wasm-fixtures.ts";

/**
 * One experiment, done alike with the real Envoy and with the embedded host. Every scenario has VMs of its own (the name
 * is the `vm_id`), a listener and an upstream of its own.
 */
export interface Scenario {
  /** Letters, digits and dashes. */
  readonly name: string;
  readonly filters: readonly FilterSpec[];
  readonly requests: readonly RequestSpec[];
  /** Default: status 200, body "upstream" with its length. `direct` is Envoy's own `direct_response`. */
  readonly upstream?: UpstreamSpec | "direct";
  readonly tcp?: readonly TcpSpec[];
  /** Milliseconds to let pass before the first request, for ticks from the configuration. */
  readonly beforeMs?: number;
  /** Milliseconds to let pass after the last request: for ticks and callouts of no request. */
  readonly afterMs?: number;
}

/** A filter of the chain; scripts are explained in `test/fixtures/filters/c-script/filter.c`. */
export interface FilterSpec {
  readonly script: string;
  /** Default `c-script`. */
  readonly module?: FixtureName;
  /** Default `script`, in a chain `script1`, `script2`. */
  readonly name?: string;
  /** Default `root`. */
  readonly rootId?: string;
  /** A VM beside the others: its id is the scenario's name, a dot, and this. */
  readonly ownVm?: string;
  readonly vmConfiguration?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly allowedCapabilities?: readonly string[];
  readonly failurePolicy?: "closed" | "open" | "reload";
  readonly allowOnHeadersStopIteration?: boolean;
}

/** Names and values in order. */
export type Headers = readonly (readonly [string, string])[];

/** What a client sends: a plain GET by default. Pieces are {@link GAP_MS} apart. */
export interface RequestSpec {
  readonly protocol?: "http1" | "http2";
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Headers;
  readonly body?: readonly string[];
  readonly trailers?: Headers;
  /** HTTP/1 bodies are chunked unless this is set. */
  readonly withLength?: boolean;
  /** The client goes away this long after its last piece: over HTTP/1 in the middle of the request, over HTTP/2 after it. */
  readonly hangUpAfterMs?: number;
  /** The next request starts {@link BACKGROUND_MS} after this one, without waiting for its answer. */
  readonly background?: boolean;
  /** How long to wait for an answer before the stream counts as hanging; default 1 s. */
  readonly patienceMs?: number;
}

/** What an upstream answers when the whole request is there. */
export interface UpstreamSpec {
  readonly protocol?: "http1" | "http2";
  readonly status?: number;
  readonly headers?: Headers;
  readonly body?: readonly string[];
  readonly trailers?: Headers;
  /** HTTP/1: chunked unless this is set. */
  readonly withLength?: boolean;
  /** Milliseconds to wait before the answer. */
  readonly delayMs?: number;
  /** Answers as soon as the request's headers are there. */
  readonly early?: boolean;
  /** Breaks the connection: before the answer, or after the last piece instead of its end. */
  readonly reset?: "at-once" | "after-body";
  /** Nothing listens. */
  readonly refused?: boolean;
}

/** A TCP connection through a chain of network filters to an echo server. */
export interface TcpSpec {
  readonly send: readonly string[];
  /** What the server writes when it has read this many bytes; it closes after the last one when `serverCloses`. */
  readonly answers: readonly { readonly afterBytes: number; readonly data: string }[];
  readonly serverCloses?: boolean;
}

/** Time between pieces of a body, in milliseconds: enough for each to be read by itself. */
export const GAP_MS = 20;

/** Head start of a request in the background, in milliseconds. */
export const BACKGROUND_MS = 80;

/** What was seen, in lines; equal in both or different. */
export interface Observation {
  /** Each answer as the client saw it: status, headers, body, trailers, and how it ended. */
  readonly client: readonly string[];
  /** Each request as the upstream saw it. */
  readonly upstream: readonly string[];
  /** What the filters logged, VM by VM. */
  readonly log: readonly string[];
  /** Custom metrics, by name. */
  readonly metrics: readonly string[];
}

/** A {@link FilterSpec} with its defaults. */
export type NamedFilter = FilterSpec & Required<Pick<FilterSpec, "name" | "rootId" | "module">>;

/** Whether the filters are all the scripted one, which marks its lines by VM. */
export function isScripted(scenario: Scenario): boolean {
  return filtersOf(scenario).every(({ module }) => module.startsWith("c-script"));
}

/** The `vm_id` of a filter. */
export function vmIdOf(scenario: Scenario, { ownVm }: FilterSpec): string {
  return ownVm === undefined ? scenario.name : `${scenario.name}.${ownVm}`;
}

/** A scenario's filters with their defaults. */
export function filtersOf(scenario: Scenario): NamedFilter[] {
  const several = scenario.filters.length > 1;
  return scenario.filters.map((filter, index) => ({
    ...filter,
    module: filter.module ?? "c-script",
    name: filter.name ?? (several ? `script${index + 1}` : "script"),
    rootId: filter.rootId ?? "root",
  }));
}
