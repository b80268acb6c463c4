import { HeaderMap } from "../header-map.ts";

/** What is wrong with request headers on their way to the upstream, in Envoy's words; `undefined` when nothing is. */
export function requestFault(headers: HeaderMap): string | undefined {
  const method = headers.get(":method");
  if (method === undefined) return "missing required header: :method";
  const missing = missingFor(method, headers);
  return missing === undefined ? entryFault(headers) : `missing required header: ${missing}`;
}

function missingFor(method: string, headers: HeaderMap): string | undefined {
  if (method !== "CONNECT") return headers.has(":path") ? undefined : ":path";
  if (!headers.has(":authority")) return ":authority";
  if (headers.has(":path")) return headers.has(":protocol") ? undefined : ":protocol";
  return headers.has(":protocol") ? ":path" : undefined;
}

/** What is wrong with response headers on their way to the client, in Envoy's words. */
export function responseFault(headers: HeaderMap): string | undefined {
  return statusOf(headers) === undefined ? "missing required header: :status" : undefined;
}

/** The number in `:status`, if it is one. */
export function statusOf(headers: HeaderMap): number | undefined {
  const text = headers.get(":status");
  return text !== undefined && /^\d{1,15}$/u.test(text) ? Number(text) : undefined;
}

/** The first name or value that HTTP does not allow. */
export function entryFault(headers: HeaderMap): string | undefined {
  const { flat } = headers;
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at] ?? "";
    if (!validName(name)) return `invalid header name: ${name}`;
    if (!validValue(flat[at + 1] ?? "")) return `invalid header value for: ${name}`;
  }
  return undefined;
}

/** A pseudo header that no response has. */
export function strangePseudo(headers: HeaderMap): string | undefined {
  const { flat } = headers;
  for (let at = 0; at < flat.length && flat[at]?.startsWith(":") === true; at += 2) {
    if (flat[at] !== ":status") return `invalid header name: ${flat[at]}`;
  }
  return undefined;
}

/** The same response headers or trailers without what HTTP does not allow. */
export function withoutFaults(headers: HeaderMap): HeaderMap {
  const kept = new HeaderMap(headers.kind);
  for (const [name, value] of headers) {
    const strange = name.startsWith(":") && name !== ":status";
    if (!strange && validName(name) && validValue(value)) kept.add(name, value);
  }
  return kept;
}

/** A name is a token in lower case, or a pseudo header. */
function validName(name: string): boolean {
  const start = name.startsWith(":") ? 1 : 0;
  for (let at = start; at < name.length; at += 1) if (TOKEN[name.charCodeAt(at)] !== 1) return false;
  return name.length > start;
}

/** A value has no control character but the tab; bytes above ASCII pass. */
function validValue(value: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    const code = value.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return false;
  }
  return true;
}

/** 1 for each character of a name. */
const TOKEN: Uint8Array = tokenTable();

function tokenTable(): Uint8Array {
  const table = new Uint8Array(128);
  for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") table[char.charCodeAt(0)] = 1;
  return table;
}
