/** What a host call answers (Proxy-Wasm ABI 0.2.1, `proxy_status_t`), by the names Envoy gives the numbers. */
export const Status = {
  ok: 0,
  notFound: 1,
  badArgument: 2,
  serializationFailure: 3,
  parseFailure: 4,
  badExpression: 5,
  invalidMemoryAccess: 6,
  empty: 7,
  casMismatch: 8,
  resultMismatch: 9,
  internalFailure: 10,
  brokenConnection: 11,
  unimplemented: 12,
} as const;

/** A number of {@link Status}. */
export type Status = (typeof Status)[keyof typeof Status];
