/** The response flags the exchange sets, by Envoy's bits (`response.flags`). */
export const ResponseFlag: Readonly<Record<ResponseFlag, bigint>> = {
  upstreamRequestTimeout: 1n << 2n,
  localReset: 1n << 3n,
  upstreamConnectionFailure: 1n << 5n,
  upstreamConnectionTermination: 1n << 6n,
  upstreamOverflow: 1n << 7n,
  noRouteFound: 1n << 8n,
  downstreamConnectionTermination: 1n << 14n,
  upstreamProtocolError: 1n << 23n,
};

/** A name of {@link ResponseFlag}. */
export type ResponseFlag =
  | "upstreamRequestTimeout"
  | "localReset"
  | "upstreamConnectionFailure"
  | "upstreamConnectionTermination"
  | "upstreamOverflow"
  | "noRouteFound"
  | "downstreamConnectionTermination"
  | "upstreamProtocolError";
