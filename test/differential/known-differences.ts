import type { Difference } from "./compare.ts";

/** Something that is different on purpose or for now, and the lines of the scenarios that show it. */
export interface KnownDifference {
  /** For the docs: what it is about, in a few words. */
  readonly title: string;
  readonly envoy: string;
  readonly here: string;
  readonly why: string;
  /** An "Envoy fault we report instead" rather than a plain difference. */
  readonly fault?: boolean;
  /** The differing lines by scenario; all of them, and no others, must be seen. */
  readonly seen: Readonly<Record<string, readonly Difference[]>>;
}

const log = (envoy: string | undefined, host: string | undefined): Difference => ({ part: "log", envoy, host });
const client = (envoy: string | undefined, host: string | undefined): Difference => ({ part: "client", envoy, host });

/** All that is not equal. A listed line that is equal again fails the test. */
export const knownDifferences: readonly KnownDifference[] = [
  {
    title: "Response headers HTTP does not allow",
    envoy:
      "sends names and values of a filter to HTTP/1 clients as they are; a line break in a value starts a new header. Over HTTP/2 they are left out.",
    here: "They are left out for both.",
    why: "A header that splits a response is a security hole; nobody can want a test to pass because of it.",
    seen: {
      "bad-name-response": [client("answer 1 a b: c", undefined)],
      "bad-value-response": [client("answer 1 b: c", undefined), client("answer 1 x-line: a", undefined)],
      "local-status-header": [client("answer 1 a b: c", undefined)],
    },
  },
  {
    title: "A response body shorter than its content-length",
    envoy: "leaves an HTTP/1 client waiting for the rest on an open connection.",
    here: "The stream is broken off, and a report names the content-length.",
    why: "A test or a local run should say what is wrong instead of hanging.",
    seen: { "shorter-than-length": [client("answer 1 end: hanging", "answer 1 end: reset")] },
  },
  {
    title: "`response.grpc_status` after a local reply from the response headers",
    envoy: "shows the status of the response that was replaced.",
    here: "The status of the reply.",
    why: "It follows the headers that were sent; the property is hardly ever read there.",
    seen: {
      "local-grpc-from-response": [
        log(
          '  prop response.grpc_status -> 0 "\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00"',
          '  prop response.grpc_status -> 0 "\\x07\\x00\\x00\\x00\\x00\\x00\\x00\\x00"',
        ),
      ],
    },
  },
  {
    title: "Properties of the node",
    envoy: "`xds.node` and what is under it come from the bootstrap.",
    here: "They are empty unless given: as a property of a test case, or with `--property`.",
    why: "There is no bootstrap.",
    seen: {
      "properties-node": [
        log('  prop xds.node.id -> 0 "test-node"', "  prop xds.node.id -> 0 null"),
        log('  prop xds.node.cluster -> 0 "test-cluster"', "  prop xds.node.cluster -> 0 null"),
      ],
    },
  },
  {
    title: "Compressed bytes",
    envoy: "`compress` uses the zlib Envoy was built with.",
    here: "Node's zlib: other bytes for the same text now and then; both unpack either.",
    why: "The format leaves the choice to the program.",
    seen: {
      foreign: [
        log(
          '  foreign compress *1000a =c -> 0 "x\\x9cKL\\x1c\\x05\\xa3`\\x14$\\x0es\\x00\\x00\\xf9\\xd8z\\xf8"',
          '  foreign compress *1000a =c -> 0 "x\\x9cKL\\x1c\\x05\\xa3`\\x14\\x0cw\\x00\\x00\\xf9\\xd8z\\xf8"',
        ),
      ],
    },
  },
  {
    title: "A local response and `close_stream` in one callback",
    fault: true,
    envoy:
      "resets the stream, deletes its context, and then calls `proxy_on_response_headers` with the deleted context's id.",
    here: "Nothing is called after `proxy_on_delete`.",
    why: "A guest cannot do anything right with an id that is gone; SDKs trap on it, which takes the VM down.",
    seen: {
      "local-then-close": [log("rsh #2 3 0", undefined)],
      "close-then-local": [log("rsh #2 3 0", undefined)],
    },
  },
];

/** What of the differences of a scenario is not listed, and what is listed but was not there. */
export function unexpected(
  scenario: string,
  found: readonly Difference[],
): { readonly new: readonly Difference[]; readonly gone: readonly Difference[] } {
  const listed = knownDifferences.flatMap(({ seen }) => seen[scenario] ?? []);
  return {
    new: found.filter((difference) => !listed.some((known) => sameDifference(known, difference))),
    gone: listed.filter((known) => !found.some((difference) => sameDifference(known, difference))),
  };
}

/** A listed line of the log stands without level and prefix. */
function sameDifference(known: Difference, found: Difference): boolean {
  const plain = (line: string | undefined): string | undefined => line?.replace(/^\w+ \[[^\]]*\] /, "");
  return (
    known.part === found.part &&
    known.envoy === (known.part === "log" ? plain(found.envoy) : found.envoy) &&
    known.host === (known.part === "log" ? plain(found.host) : found.host)
  );
}
