import type { EventSink } from "../domain/events.ts";
import { messageOf } from "../domain/errors.ts";
import type { Traffic } from "../domain/traffic.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "../platform/http-transport.ts";

/** A transport that counts what goes over it, and tells. */
export interface ObservedTransport extends HttpTransport {
  traffic(): Traffic;
}

/**
 * Counts every request sent over `transport`, redirects, tokens and repeated tries included, and tells each as a `debug`
 * event when its answer begins: method, address, time, and the headers of the protocol. Secrets are left out by
 * naming what is shown, not what is not: the scheme of an authorization, and the values of query parameters of the
 * distribution specification; a signed address or an upload's state shows its parameters' names alone.
 */
export function observeTransport(transport: HttpTransport, events: EventSink): ObservedTransport {
  let requests = 0;
  return {
    send: async (request) => {
      requests += 1;
      const started = performance.now();
      const tell = (what: string): void => {
        const message = `${describeRequest(request)}: ${what} after ${Math.round(performance.now() - started)} ms`;
        events({ type: "debug", message });
      };
      try {
        const response = await transport.send(request);
        tell(describeResponse(response));
        return response;
      } catch (error) {
        tell(messageOf(error));
        throw error;
      }
    },
    close: () => transport.close(),
    traffic: () => ({ requests }),
  };
}

function describeRequest({ method, url, headers = {}, body }: HttpRequest): string {
  const scheme = /^(\w+) /u.exec(headers["authorization"] ?? "")?.[1];
  const told = [
    ...(scheme === undefined ? [] : [`with ${scheme}`]),
    ...(body === undefined ? [] : [`${body.size} bytes`]),
    ...TOLD_REQUEST.flatMap((name) => (headers[name] === undefined ? [] : [`${name} ${headers[name]}`])),
  ];
  return [method, describeUrl(url), ...(told.length === 0 ? [] : [`(${told.join(", ")})`])].join(" ");
}

function describeResponse({ status, headers }: HttpResponse): string {
  const told = TOLD_RESPONSE.flatMap((name) => {
    const value = headers[name];
    if (value === undefined) return [];
    return [`${name} ${describeHeader(name, String(value).slice(0, MAX_TOLD))}`];
  });
  return told.length === 0 ? String(status) : `${status} (${told.join(", ")})`;
}

/** An address whose query shows the values of harmless parameters only. */
function describeUrl({ origin, pathname, searchParams }: URL): string {
  return `${origin}${pathname}${describeQuery(searchParams)}`;
}

function describeQuery(query: URLSearchParams): string {
  const told = [...query].map(([name, value]) => `${name}=${SHOWN.has(name.toLowerCase()) ? value : "***"}`);
  return told.length === 0 ? "" : `?${told.join("&").replaceAll(/\s/gu, " ")}`;
}

function describeHeader(name: string, value: string): string {
  if (name === "location") return describeLocation(value);
  // Links and challenges hold addresses, too.
  return value
    .replaceAll(/\/\/[^/\s"<>]*@/gu, "//")
    .replaceAll(/\?([^\s">]*)/gu, (_, query: string) => describeQuery(new URLSearchParams(query)));
}

function describeLocation(location: string): string {
  const base = "http://relative.invalid";
  if (!URL.canParse(location, base)) return "that is no URL";
  const text = describeUrl(new URL(location, base));
  return text.startsWith(base) ? text.slice(base.length) : text;
}

/** Characters of one header. */
const MAX_TOLD = 2000;
const TOLD_REQUEST: readonly string[] = ["range", "content-range", "if-match", "if-none-match"];
const TOLD_RESPONSE: readonly string[] = [
  "location",
  "range",
  "content-range",
  "content-length",
  "content-encoding",
  "docker-content-digest",
  "oci-subject",
  "oci-filters-applied",
  "oci-chunk-min-length",
  "link",
  "retry-after",
  "www-authenticate",
];
/** Query parameters of the distribution and token specifications, in lower case. */
const SHOWN: ReadonlySet<string> = new Set([
  "digest",
  "digest-algorithm",
  "mount",
  "from",
  "n",
  "last",
  "artifacttype",
  "ns",
  "tag",
  "service",
  "scope",
]);
