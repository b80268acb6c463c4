import type { ServerResponse } from "node:http";
import { WasmeError } from "../domain/errors.ts";

/** What a refusal says beside status, code and message. */
export interface RefusalOptions {
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Facts for the client, one error of the answer each; none is one error without. */
  readonly details?: readonly unknown[];
}

/** A request refused, in the words of the distribution spec ("Error Codes"). */
export class RegistryRefusal extends Error {
  override readonly name: string = "RegistryRefusal";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: readonly unknown[];

  constructor(status: number, code: string, message: string, options: RefusalOptions = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? {};
    this.details = options.details ?? [null];
  }
}

/** Ends the answer with a status and headers, and no body. */
export function replyEmpty(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | readonly string[]>>,
): void {
  const length = status === 204 ? {} : { "content-length": "0" };
  response.writeHead(status, { ...length, ...(headers as Record<string, string | string[]>) });
  response.end();
}

/** Ends the answer with a JSON document. */
export function replyJson(response: ServerResponse, value: unknown, options: ReplyOptions = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  const type = options.type ?? "application/json";
  response.writeHead(options.status ?? 200, {
    "content-type": type,
    "content-length": body.byteLength,
    ...options.headers,
  });
  response.end(body);
}

/** What a JSON answer may vary in. */
export interface ReplyOptions {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a refusal. After the head is sent the connection is cut instead: a cut is noticed, a short body is not. */
export function replyRefusal(response: ServerResponse, refusal: RegistryRefusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, code, message, headers, details } = refusal;
  const errors = details.map((detail) => ({ code, message, detail }));
  replyJson(response, { errors }, { status, headers });
}

/** Any failure as a refusal; what is not the client's fault says nothing about the inside. */
export function refusalOf(error: unknown): RegistryRefusal {
  if (error instanceof RegistryRefusal) return error;
  const code = error instanceof WasmeError ? error.code : "";
  const known = STORE_ERRORS[code];
  if (known !== undefined && error instanceof WasmeError) {
    return new RegistryRefusal(known[0], known[1], error.message, { details: [error.details ?? null] });
  }
  const [status, message, headers] = OWN_TROUBLE[code] ?? [500, "the registry failed; its log says why", {}];
  return new RegistryRefusal(status, "UNKNOWN", message, { headers });
}

type Trouble = readonly [status: number, message: string, headers: Readonly<Record<string, string>>];

/** Troubles of ours that the client can do something about. */
const OWN_TROUBLE: Readonly<Record<string, Trouble>> = {
  DISK_FULL: [507, "the disk of the registry is full", {}],
  LOCKED: [503, "the store of the registry is busy", { "retry-after": "1" }],
  LOCK_LOST: [503, "the store of the registry is busy", { "retry-after": "1" }],
};

const STORE_ERRORS: Readonly<Record<string, readonly [status: number, code: string]>> = {
  DIGEST_MISMATCH: [400, "DIGEST_INVALID"],
  DIGEST_INVALID: [400, "DIGEST_INVALID"],
  SIZE_MISMATCH: [400, "SIZE_INVALID"],
  CONTENT_MISSING: [400, "MANIFEST_BLOB_UNKNOWN"],
  MANIFEST_INVALID: [400, "MANIFEST_INVALID"],
  MANIFEST_UNSUPPORTED: [400, "MANIFEST_INVALID"],
  BLOB_MISSING: [404, "BLOB_UNKNOWN"],
};
