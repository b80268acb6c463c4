/** Where the proxy of `wasme run` is not as Envoy on the wire, because of Node's HTTP or on purpose. */
export interface ProxyDifference {
  readonly title: string;
  readonly envoy: string;
  readonly here: string;
  /** The scenarios that show it. */
  readonly seen: readonly string[];
}

/** All there are; one that is equal again fails the test. */
export const proxyDifferences: readonly ProxyDifference[] = [
  {
    title: "`proxy-connection` and `upgrade` that a filter adds to a request",
    envoy: "sends them on.",
    here: "They are taken out, as all headers between two hops.",
    seen: ["joined-request", "connection-headers"],
  },
  {
    title: "a status below 200 or above 999",
    envoy: "sends it, and clients wait or complain.",
    here: "The stream is broken off.",
    seen: ["small-status", "local-odd-status", "local-status-0"],
  },
  {
    title: "a response body shorter than its content-length",
    envoy: "sends what there is, and an HTTP/1 client waits.",
    here: "The connection is closed, at times before the last bytes were sent.",
    seen: ["shorter-than-length"],
  },
];
