/** The response flags the exchange sets, by Envoy's bits (`response.flags`). */
export const ResponseFlag: Readonly<Record<ResponseFlag, bigint>> = {
  upstreamRequestTimeout: 1n << 2n,
  upstreamRemoteReset: 1n << 4n,
  upstreamConnectionFailure: 1n << 5n,
  upstreamConnectionTermination: 1n << 6n,
  upstreamOverflow: 1n << 7n,
  noRouteFound: 1n << 8n,
  downstreamConnectionTermination: 1n << 14n,
  downstreamProtocolError: 1n << 18n,
  upstreamProtocolError: 1n << 23n,
  downstreamRemoteReset: 1n << 28n,
};

/** A name of {@link ResponseFlag}. */
export type ResponseFlag =
  | "upstreamRequestTimeout"
  | "upstreamRemoteReset"
  | "upstreamConnectionFailure"
  | "upstreamConnectionTermination"
  | "upstreamOverflow"
  | "noRouteFound"
  | "downstreamConnectionTermination"
  | "downstreamProtocolError"
  | "upstreamProtocolError"
  | "downstreamRemoteReset";
