/** One end of a connection. */
export interface Address {
  /** `10.0.0.1:4000`. */
  readonly address: string;
  readonly port: number;
}

/** TLS facts of a connection, as properties show them; empty where there is no TLS. */
export interface TlsInfo {
  readonly mtls?: boolean;
  readonly requestedServerName?: string;
  readonly tlsVersion?: string;
  readonly subjectLocalCertificate?: string;
  readonly subjectPeerCertificate?: string;
  readonly dnsSanLocalCertificate?: string;
  readonly dnsSanPeerCertificate?: string;
  readonly uriSanLocalCertificate?: string;
  readonly uriSanPeerCertificate?: string;
  readonly sha256PeerCertificateDigest?: string;
}

/**
 * What the proxy knows of one stream or connection beside its headers: the source of most properties. The exchange keeps
 * it up to date; whoever drives the exchange fills in addresses, names and metadata. Times in nanoseconds since 1970.
 */
export interface StreamInfo {
  startTime: bigint;
  /** When the stream ended; `undefined` until then. */
  endTime: bigint | undefined;
  /** `HTTP/1.1` or `HTTP/2`, empty for TCP. */
  protocol: string;
  connectionId: bigint;
  source: Address | undefined;
  destination: Address | undefined;
  tls: TlsInfo;
  upstream: UpstreamInfo | undefined;
  responseCode: number | undefined;
  responseCodeDetails: string | undefined;
  /** Envoy's bit set of response flags. */
  responseFlags: bigint;
  grpcStatus: number | undefined;
  /** Body bytes, and all bytes, each way. */
  requestBytes: number;
  requestHeaderBytes: number;
  responseBytes: number;
  responseHeaderBytes: number;
  attemptCount: number;
  /** Nanoseconds from the first upstream byte sent to the last one received. */
  backendLatency: bigint | undefined;
  routeName: string;
  virtualHostName: string;
  clusterName: string;
  filterChainName: string;
  terminationDetails: string | undefined;
  transportFailureReason: string | undefined;
  /** Filter state by its full key (`wasm.foo` for what filters set). */
  readonly filterState: Map<string, FilterStateValue>;
  /** Properties given from outside, by path with dots; they win over everything else. */
  readonly overrides: ReadonlyMap<string, PropertyValue>;
}

/** What a filter or the driver stored for the life of the stream or connection. */
export interface FilterStateValue {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
}

/** The end the request was sent to. */
export interface UpstreamInfo {
  readonly address: Address;
  readonly localAddress: Address | undefined;
  readonly tls: TlsInfo;
  readonly transportFailureReason: string | undefined;
  /** Nanoseconds until the connection pool was ready. */
  readonly poolReadyDuration: bigint | undefined;
  readonly endpoints: number;
}

/** A property from outside, with the type that decides its encoding. Maps become pairs, `null` an unset string. */
export type PropertyValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bytes"; readonly value: Uint8Array }
  | { readonly type: "int" | "uint" | "time" | "duration"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "map"; readonly value: ReadonlyMap<string, PropertyValue> }
  | { readonly type: "list"; readonly value: readonly PropertyValue[] };

/** What is known of a stream that begins: what is given, and nothing of the rest. */
export function newStreamInfo(now: bigint, given: Partial<StreamInfo> = {}): StreamInfo {
  return {
    startTime: now,
    endTime: undefined,
    protocol: "HTTP/1.1",
    connectionId: 0n,
    source: undefined,
    destination: undefined,
    tls: {},
    upstream: undefined,
    responseCode: undefined,
    responseCodeDetails: undefined,
    responseFlags: 0n,
    grpcStatus: undefined,
    requestBytes: 0,
    requestHeaderBytes: 0,
    responseBytes: 0,
    responseHeaderBytes: 0,
    attemptCount: 0,
    backendLatency: undefined,
    routeName: "",
    virtualHostName: "",
    clusterName: "",
    filterChainName: "",
    terminationDetails: undefined,
    transportFailureReason: undefined,
    filterState: new Map(),
    overrides: NO_OVERRIDES,
    ...given,
  };
}

/** One for all: making a map takes about a tenth of what a stream through a small filter does. */
const NO_OVERRIDES: ReadonlyMap<string, PropertyValue> = new Map();
