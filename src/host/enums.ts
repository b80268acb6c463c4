/** Which header map a host call means (`proxy_map_type_t`). */
export const MapType = {
  requestHeaders: 0,
  requestTrailers: 1,
  responseHeaders: 2,
  responseTrailers: 3,
  grpcInitialMetadata: 4,
  grpcTrailingMetadata: 5,
  calloutResponseHeaders: 6,
  calloutResponseTrailers: 7,
} as const;

/** Which buffer a host call means (`proxy_buffer_type_t`). */
export const BufferType = {
  requestBody: 0,
  responseBody: 1,
  downstreamData: 2,
  upstreamData: 3,
  calloutResponseBody: 4,
  grpcMessage: 5,
  vmConfiguration: 6,
  pluginConfiguration: 7,
  foreignFunctionArguments: 8,
} as const;

/** Which half of a stream a host call means (`proxy_stream_type_t`). */
export const StreamType = { request: 0, response: 1, downstream: 2, upstream: 3 } as const;

/** Who closed a connection (`proxy_peer_type_t`). */
export const PeerType = { unknown: 0, local: 1, remote: 2 } as const;

/** The kinds of metric (`proxy_metric_type_t`). */
export const MetricType = { counter: 0, gauge: 1, histogram: 2 } as const;

/** Log levels by number (`proxy_log_level_t`): the place in this list is the number a guest uses. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "critical"] as const;

/** A level of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];
