import { type ErrorKind, WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { redact } from "../domain/redact.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import { BodyLimit, readBody } from "./read-body.ts";
import { parseRetryAfter, TransientError } from "./retry.ts";

/** What was asked of whom, for messages: `read acme/auth:v1` of `ghcr.io`. */
export interface Asked {
  /** As the user knows it. */
  readonly host: string;
  /** A verb phrase. */
  readonly action: string;
}

/** Statuses that may pass. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** True for a status worth another try. */
export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

/** A refused request as an error that may pass; the body is dropped. */
export function passingStatus(response: HttpResponse, asked: Asked, now: number): TransientError {
  response.discard();
  const { status } = response;
  const busy = status === 429;
  const message = busy
    ? `${asked.host} is busy (429 too many requests)`
    : `${asked.host} failed to ${asked.action} (${status} ${REASON[status] ?? "error"})`;
  const failure = new WasmeError("unreachable", busy ? "REGISTRY_BUSY" : "REGISTRY_UNAVAILABLE", message, {
    hint: "the fault is on the side of the registry: try again later",
    details: { host: asked.host, status },
  });
  return new TransientError(failure, { retryAfterMs: parseRetryAfter(response.headers["retry-after"], now) });
}

/**
 * A refused request as the error the user sees; reads what the server says about it, at most 64 KiB.
 * Codes: `REGISTRY_UNAUTHORISED`, `REGISTRY_DENIED`, `REGISTRY_NOT_FOUND`, `MANIFEST_REFUSED`, `REGISTRY_REFUSED`.
 */
export async function statusError(response: HttpResponse, url: URL, asked: Asked): Promise<WasmeError> {
  const said = await serverSays(response, url);
  const { status } = response;
  const { kind, code, hint } = classify(status, said?.code, asked);
  const words = [String(status), REASON[status] ?? "", said === undefined ? "" : `: ${said.text}`];
  const message = `${asked.host} refused to ${asked.action} (${words
    .filter((w) => w !== "")
    .join(" ")
    .replace(" : ", ": ")})`;
  const details = { host: asked.host, status, ...(said?.code === undefined ? {} : { registryCode: said.code }) };
  return new WasmeError(kind, code, message, { ...(hint === undefined ? {} : { hint }), details });
}

function classify(
  status: number,
  code: string | undefined,
  asked: Asked,
): { readonly kind: ErrorKind; readonly code: string; readonly hint?: string } {
  const login = `wasme login ${asked.host}`;
  if (status === 401) {
    return {
      kind: "unauthorised",
      code: "REGISTRY_UNAUTHORISED",
      hint: `${login}, or check that the repository exists`,
    };
  }
  if (status === 403) {
    const hint = `check that the account may do this, or log in as another: ${login}`;
    return { kind: "unauthorised", code: "REGISTRY_DENIED", hint };
  }
  if (status === 404)
    return { kind: "not-found", code: "REGISTRY_NOT_FOUND", hint: "check the name of the repository" };
  if (status === 415 || code === "MANIFEST_INVALID") {
    const hint = "the registry may not take this kind of image: try --format compat";
    return { kind: "failed", code: "MANIFEST_REFUSED", hint };
  }
  return { kind: "failed", code: "REGISTRY_REFUSED" };
}

/** The first error of a distribution error body, or the first words of any other text. */
async function serverSays(response: HttpResponse, url: URL): Promise<{ code?: string; text: string } | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await readBody(response, url, BodyLimit.error));
  } catch {
    return undefined; // what it says is a help, not the point
  }
  const body = tryParseJson(text);
  const errors = isObject(body) ? body["errors"] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (isObject(first)) {
    const code = typeof first["code"] === "string" ? first["code"] : undefined;
    const words = typeof first["message"] === "string" && first["message"] !== "" ? first["message"] : (code ?? "");
    return { ...(code === undefined ? {} : { code: tidy(code) }), text: tidy(words) };
  }
  if (text.trim() === "" || text.trimStart().startsWith("<")) return undefined;
  return { text: tidy(text) };
}

function tidy(text: string): string {
  return redact(text.replaceAll(/\s+/gu, " ").trim().slice(0, 200));
}

const REASON: Readonly<Record<number, string>> = {
  400: "bad request",
  401: "unauthorized",
  403: "denied",
  404: "not found",
  405: "not supported",
  408: "request time-out",
  409: "conflict",
  413: "too large",
  415: "unsupported media type",
  416: "range not satisfiable",
  500: "internal error",
  502: "bad gateway",
  503: "unavailable",
  504: "gateway time-out",
};
