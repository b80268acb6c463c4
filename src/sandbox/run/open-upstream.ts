import { usageError } from "../../domain/errors.ts";
import { echoService } from "./echo-service.ts";
import { http1Upstream } from "./http1-upstream.ts";
import { http2Upstream } from "./http2-upstream.ts";
import type { Upstream } from "./http-side.ts";
import type { Clusters } from "./run-engine.ts";

/** The upstream of `--upstream URL`, and the address properties show; the echo service without a URL. */
export function openUpstream(text: string | undefined): { readonly upstream: Upstream; readonly address: string } {
  if (text === undefined) return { upstream: echoService, address: "127.0.0.1:0" };
  const url = parseUpstreamUrl(text, "--upstream");
  const options = { url, rewrite: true };
  const upstream = url.protocol === "h2c:" ? http2Upstream(options) : http1Upstream(options);
  return { upstream, address: `${url.hostname}:${portOf(url)}` };
}

/**
 * The clusters of `--cluster NAME=URL`; `NAME=echo` is the echo service. HTTP callouts speak HTTP/1.1 to `http:` and
 * `https:`, gRPC needs `h2c:` or `https:`. Throws `CLUSTER_INVALID` and `UPSTREAM_INVALID` (usage).
 */
export function openClusters(pairs: readonly string[]): Clusters {
  const http = new Map<string, Upstream>();
  const grpc = new Map<string, Upstream>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (at < 1 || at === pair.length - 1) {
      throw usageError("CLUSTER_INVALID", `--cluster ${JSON.stringify(pair)} is not NAME=URL`, {
        hint: "for example: --cluster auth=http://127.0.0.1:9000",
      });
    }
    if (http.has(name)) throw usageError("CLUSTER_INVALID", `--cluster names ${JSON.stringify(name)} twice`);
    const target = pair.slice(at + 1);
    if (target === "echo") {
      http.set(name, echoService);
      continue;
    }
    const url = parseUpstreamUrl(target, `--cluster ${name}`);
    const options = { url, rewrite: false };
    const http2 = url.protocol === "http:" ? undefined : http2Upstream(options);
    http.set(name, url.protocol === "h2c:" && http2 !== undefined ? http2 : http1Upstream(options));
    if (http2 !== undefined) grpc.set(name, http2);
  }
  return { http, grpc };
}

function parseUpstreamUrl(text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && SCHEMES.includes(url.protocol) && isPlain(url)) return withPath(url);
  const hint = /^[\w.-]+:\d+(?:\/|$)/u.test(text)
    ? `did you mean http://${text}?`
    : "without user, query and fragment: http://127.0.0.1:3000";
  throw usageError("UPSTREAM_INVALID", `${option} ${JSON.stringify(text)} is not an http:, https: or h2c: URL`, {
    hint,
  });
}

function isPlain({ host, username, password, search, hash }: URL): boolean {
  return host !== "" && username + password + search + hash === "";
}

const SCHEMES: readonly string[] = ["http:", "https:", "h2c:"];

/** `h2c://host` has no path of its own: URLs of schemes nobody knows may lack one. */
function withPath(url: URL): URL {
  if (url.pathname === "") url.pathname = "/";
  return url;
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
