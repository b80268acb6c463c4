/** A header list; names are kept in lower case. */
export type Headers = [string, string][];

/** An answer the filter gave on its own. */
export interface LocalReply {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
  readonly details: string;
  readonly grpcStatus: number;
}

/** An HTTP call the filter made. */
export interface HttpCall {
  readonly token: number;
  readonly cluster: string;
  readonly headers: Headers;
  readonly body: string;
  readonly timeout: number;
}

/** A value of the shared store. */
export interface SharedValue {
  readonly value: Uint8Array;
  readonly cas: number;
}

/** Map and buffer numbers of the interface. */
export const maps = {
  requestHeaders: 0,
  requestTrailers: 1,
  responseHeaders: 2,
  responseTrailers: 3,
  callHeaders: 6,
} as const;
export const buffers = {
  requestBody: 0,
  responseBody: 1,
  downstream: 2,
  callBody: 4,
  vmConfiguration: 6,
  configuration: 7,
  argument: 8,
} as const;

/** Everything a proxy holds that filters read and write; the tests set it up and look at it afterwards. */
export class ProxyState {
  readonly logs: { readonly level: number; readonly text: string }[] = [];
  logLevel = 2;
  /** Header maps that exist right now; any other map answers "bad argument". */
  readonly headers: Map<number, Headers> = new Map();
  readonly buffers: Map<number, Uint8Array> = new Map();
  readonly properties: Map<string, Uint8Array> = new Map();
  readonly shared: Map<string, SharedValue> = new Map();
  readonly queues: { readonly name: string; readonly items: Uint8Array[] }[] = [];
  readonly metrics: { readonly type: number; readonly name: string; value: bigint }[] = [];
  readonly localReplies: LocalReply[] = [];
  readonly calls: HttpCall[] = [];
  readonly resumed: number[] = [];
  readonly closed: number[] = [];
  readonly foreign: Map<string, (argument: Uint8Array) => Uint8Array> = new Map();
  /** Contexts that `set_effective_context` may name. */
  readonly contexts: Set<number> = new Set();
  effectiveContext = 0;
  tickPeriod = 0;
  now: bigint = 1_700_000_000_123_456_789n;
  casCounter = 0;
  /** Called between a read of shared data and what the filter does next: another thread's turn. */
  afterRead: (key: string) => unknown = () => undefined;
  /** Number of host calls so far. */
  hostCalls = 0;

  /** Sets a property by its dotted path. */
  property(path: string, value: string | Uint8Array): void {
    this.properties.set(path.replaceAll(".", "\0"), typeof value === "string" ? Buffer.from(value) : value);
  }

  /** The texts logged at a level. */
  logged(level: number): string[] {
    return this.logs.filter((line) => line.level === level).map((line) => line.text);
  }
}
