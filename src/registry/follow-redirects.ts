import { WasmeError } from "../domain/errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "../platform/http-transport.ts";
import type { TlsSettings } from "../platform/http-trust.ts";
import { networkError } from "./network-errors.ts";
import { redirectRefused, redirectTarget } from "./redirects.ts";

/** A request whose secret headers must not leave their origin. */
export interface GuardedRequest extends Omit<HttpRequest, "tls"> {
  /** Sent only to `home`, compared by scheme, host and port, and not after a redirect by way of another. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The origin the secrets are for. */
  readonly home: URL;
  /** The body is a secret, too: redirects to elsewhere are refused. */
  readonly secretBody?: boolean;
}

/** An answer and the URL it came from in the end. */
export interface FollowedResponse {
  readonly response: HttpResponse;
  readonly url: URL;
}

/** What following needs. */
export interface FollowOptions {
  readonly transport: HttpTransport;
  readonly tlsFor: (url: URL) => TlsSettings;
}

const MAX_REDIRECTS = 8;

/**
 * Sends a request and follows redirects: every kind for GET and HEAD, 307 and 308 otherwise. Secrets stay at home.
 * Throws `REDIRECT_REFUSED`, `REDIRECT_LOOP` (failed), and what {@link networkError} makes of a broken connection.
 */
export async function sendFollowing(request: GuardedRequest, options: FollowOptions): Promise<FollowedResponse> {
  const { secrets, home, secretBody = false, ...plain } = request;
  let url = request.url;
  let isAtHome = true;
  for (let hops = 0; ; hops++) {
    // Who was sent elsewhere comes back as a stranger: the way back is chosen by others.
    isAtHome &&= url.origin === home.origin;
    const headers = { ...request.headers, ...(isAtHome ? secrets : {}) };
    let response: HttpResponse;
    try {
      response = await options.transport.send({ ...plain, url, headers, tls: options.tlsFor(url) });
    } catch (error) {
      request.signal?.throwIfAborted();
      throw networkError(error, url);
    }
    const location = response.headers.location;
    if (location === undefined || !isFollowed(request.method, response.status)) return { response, url };
    response.discard();
    if (hops >= MAX_REDIRECTS) {
      throw new WasmeError(
        "failed",
        "REDIRECT_LOOP",
        `${request.url.host} redirects more than ${MAX_REDIRECTS} times`,
        {
          hint: "this is a fault on the side of the registry: tell its operator",
        },
      );
    }
    const target = redirectTarget(location, url, home);
    if (secretBody && target.origin !== home.origin)
      throw redirectRefused(url, location, "it would take a secret along");
    url = target;
  }
}

function isFollowed(method: string, status: number): boolean {
  if (status === 307 || status === 308) return true;
  return (status === 301 || status === 302 || status === 303) && (method === "GET" || method === "HEAD");
}
