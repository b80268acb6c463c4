/** A message of HTTP/1.1 as it stands on the wire. */
export interface WireMessage {
  /** `GET / HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly start: string;
  readonly headers: readonly (readonly [string, string])[];
  body: string;
  trailers: readonly (readonly [string, string])[];
  /** The message is whole. */
  complete: boolean;
}

/** What a parser tells. */
export interface WireEvents {
  headers?(message: WireMessage): void;
  end?(message: WireMessage): void;
}

/** Reads messages from a connection, byte for byte as they come; text is latin1. */
export class Http1Parser {
  readonly messages: WireMessage[] = [];
  readonly #events: WireEvents;
  readonly #noBody: (message: WireMessage) => boolean;
  #text = "";
  #current: WireMessage | undefined;
  /** Bytes of the body or chunk to come, "chunk" before a chunk's size, "trailers", or "close": all until the end. */
  #wants: number | "chunk" | "trailers" | "close" = 0;
  #chunked = false;

  constructor(events: WireEvents, noBody: (message: WireMessage) => boolean = () => false) {
    this.#events = events;
    this.#noBody = noBody;
  }

  feed(data: Buffer): void {
    this.#text += data.toString("latin1");
    while (this.#step());
  }

  /** The connection ended, which ends a body of no known length. */
  ended(): void {
    if (this.#current !== undefined && this.#wants === "close") this.#finish();
  }

  #step(): boolean {
    const message = this.#current;
    if (message === undefined) return this.#readHead();
    if (this.#wants === "chunk") return this.#readChunkSize();
    if (this.#wants === "trailers") return this.#readTrailers(message);
    if (this.#wants === "close") {
      message.body += this.#text;
      this.#text = "";
      return false;
    }
    return this.#readBody(message, this.#wants);
  }

  #readHead(): boolean {
    const head = this.#takeUntil("\r\n\r\n");
    if (head === undefined) return false;
    if (/^HTTP\/1\.1 1\d\d/.test(head)) return true;
    const [start = "", ...lines] = head.split("\r\n");
    const message: WireMessage = { start, headers: lines.map(headerOf), body: "", trailers: [], complete: false };
    this.messages.push(message);
    this.#current = message;
    const value = (name: string): string | undefined =>
      message.headers.find(([key]) => key.toLowerCase() === name)?.[1];
    this.#chunked = value("transfer-encoding")?.toLowerCase().includes("chunked") ?? false;
    const length = value("content-length");
    const isRequest = !start.startsWith("HTTP/");
    this.#wants = this.#chunked ? "chunk" : length === undefined ? (isRequest ? 0 : "close") : Number(length);
    if (this.#noBody(message)) this.#wants = 0;
    this.#events.headers?.(message);
    if (this.#wants === 0) this.#finish();
    return true;
  }

  #readChunkSize(): boolean {
    const line = this.#takeUntil("\r\n");
    if (line === undefined) return false;
    const size = Number.parseInt(line, 16);
    this.#wants = size === 0 ? "trailers" : size;
    return true;
  }

  #readBody(message: WireMessage, wanted: number): boolean {
    const need = this.#chunked ? wanted + 2 : wanted;
    if (this.#text.length < need) {
      if (this.#chunked || this.#text === "") return false;
      message.body += this.#text;
      this.#wants = wanted - this.#text.length;
      this.#text = "";
      return false;
    }
    message.body += this.#text.slice(0, wanted);
    this.#text = this.#text.slice(need);
    if (this.#chunked) this.#wants = "chunk";
    else this.#finish();
    return true;
  }

  #readTrailers(message: WireMessage): boolean {
    const line = this.#takeUntil("\r\n");
    if (line === undefined) return false;
    if (line === "") this.#finish();
    else message.trailers = [...message.trailers, headerOf(line)];
    return true;
  }

  #takeUntil(end: string): string | undefined {
    const at = this.#text.indexOf(end);
    if (at === -1) return undefined;
    const taken = this.#text.slice(0, at);
    this.#text = this.#text.slice(at + end.length);
    return taken;
  }

  #finish(): void {
    const message = this.#current;
    this.#current = undefined;
    this.#wants = 0;
    if (message === undefined) return;
    message.complete = true;
    this.#events.end?.(message);
  }
}

function headerOf(line: string): readonly [string, string] {
  const at = line.indexOf(":");
  return [line.slice(0, at), line.slice(at + 1).trim()];
}
