/**
 * Writes numbers, texts and headers one after the other into one string: what goes between threads as a string costs half
 * of what the same goes for as lists and objects, since every one of these is looked at, and made anew, by itself.
 */
export class WireTextWriter {
  #text = "";

  /** A whole number from 0 to 2^32 - 1. */
  number(value: number): void {
    this.#text += numberText(value);
  }

  flag(value: boolean): void {
    this.#text += value ? ONE : ZERO;
  }

  text(value: string): void {
    this.#text += numberText(value.length) + value;
  }

  /** Names and values in turn. */
  list(values: readonly string[]): void {
    let text = numberText(values.length);
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] ?? "";
      text += numberText(value.length) + value;
    }
    this.#text += text;
  }

  /** Names and values in turn; common names are written as numbers. */
  headers(headers: readonly string[]): void {
    let text = numberText(headers.length / 2);
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? "";
      const value = headers[at + 1] ?? "";
      const known = NUMBERS.get(name);
      text += known ?? ZERO + numberText(name.length) + name;
      text += numberText(value.length) + value;
    }
    this.#text += text;
  }

  /** What was written; starts anew. */
  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

/** Reads what a {@link WireTextWriter} wrote, in the same order. */
export class WireTextReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  number(): number {
    const first = this.#text.charCodeAt(this.#at);
    this.#at += 1;
    return first < LONG ? first : this.#long();
  }

  flag(): boolean {
    return this.number() === 1;
  }

  text(): string {
    const length = this.number();
    const start = this.#at;
    this.#at += length;
    return this.#text.substring(start, this.#at);
  }

  list(): string[] {
    const values: string[] = [];
    for (let left = this.number(); left > 0; left -= 1) values.push(this.text());
    return values;
  }

  headers(): string[] {
    const headers: string[] = [];
    for (let left = this.number(); left > 0; left -= 1) {
      const known = this.number();
      headers.push(known === 0 ? this.text() : (NAMES[known] ?? ""), this.text());
    }
    return headers;
  }

  #long(): number {
    const text = this.#text;
    const at = this.#at;
    this.#at += 4;
    const high = text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 8);
    return high * 0x1_00_00 + (text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8));
  }
}

/** The first character of a number that has four more; smaller ones are a character of their own. */
const LONG = 0xff;

/** A string for each byte: asked for once, not for each number. */
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

const ZERO = "\u0000";
const ONE = "\u0001";

function numberText(value: number): string {
  if (value < LONG) return BYTES[value] ?? "";
  return String.fromCharCode(LONG, value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

/** Names that come often; the first place is for those that do not. At most 254. */
const NAMES: readonly string[] = [
  "",
  ":authority",
  ":method",
  ":path",
  ":scheme",
  ":status",
  "accept",
  "accept-encoding",
  "accept-language",
  "accept-ranges",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-security-policy",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expires",
  "forwarded",
  "grpc-message",
  "grpc-status",
  "grpc-timeout",
  "host",
  "if-modified-since",
  "if-none-match",
  "keep-alive",
  "last-modified",
  "link",
  "location",
  "origin",
  "pragma",
  "priority",
  "range",
  "referer",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "server",
  "server-timing",
  "set-cookie",
  "strict-transport-security",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "upgrade-insecure-requests",
  "user-agent",
  "vary",
  "via",
  "x-b3-sampled",
  "x-b3-spanid",
  "x-b3-traceid",
  "x-content-type-options",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-upstream-service-time",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-frame-options",
  "x-powered-by",
  "x-request-id",
  "traceparent",
  "tracestate",
];

const NUMBERS: ReadonlyMap<string, string> = new Map(
  NAMES.map((name, at): [string, string] => [name, BYTES[at] ?? ""]).slice(1),
);
