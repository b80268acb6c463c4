import { collect } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import { networkError } from "./network-errors.ts";

/** The most we read of each kind of answer. Bytes. */
export const BodyLimit: Readonly<Record<"token" | "error" | "list", number>> = {
  token: 128 * 1024,
  error: 64 * 1024,
  list: 4 * 1024 * 1024,
};

/** A small answer may take so long whatever it is, and after that must have come faster than this. */
const PATIENCE_MS = 30_000;
const LEAST_BYTES_PER_MS = 1;

/**
 * Reads an answer into memory. More than `limit` bytes, announced or sent, is `BODY_TOO_LARGE` (failed) and the
 * connection is given up; an encoded body is `BODY_ENCODED` (failed), since we asked for none. One that comes drop by
 * drop, so that no silence is ever too long, is `REGISTRY_UNREACHABLE` (unreachable) after half a minute. `now` in
 * milliseconds.
 */
export async function readBody(
  response: HttpResponse,
  url: URL,
  limit: number,
  now: () => number = () => performance.now(),
): Promise<Uint8Array> {
  const tooLong = (): Error =>
    new WasmeError("failed", "BODY_TOO_LARGE", `${url.host} sent an answer of more than ${limit} bytes`, {
      hint: "check that the host is a registry, not a web page or a proxy in front of it",
    });
  refuseEncoded(response, url);
  if (Number(response.headers["content-length"] ?? 0) > limit) {
    response.discard();
    throw tooLong();
  }
  try {
    return await collect(inTime(response.body, url, now), limit, tooLong);
  } catch (error) {
    throw networkError(error, url);
  }
}

async function* inTime(body: HttpResponse["body"], url: URL, now: () => number): AsyncGenerator<Uint8Array> {
  const started = now();
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (now() - started > PATIENCE_MS + size / LEAST_BYTES_PER_MS) {
      throw new WasmeError("unreachable", "REGISTRY_UNREACHABLE", `${url.host} answers too slowly to wait for it`, {
        hint: "try again; if it stays so, look at the network and at proxies between",
        details: { host: url.host },
      });
    }
    yield piece;
  }
}

/** Throws `BODY_ENCODED` when the body is compressed: nothing is ever inflated behind our back. */
export function refuseEncoded(response: HttpResponse, url: URL): void {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  response.discard();
  throw new WasmeError(
    "failed",
    "BODY_ENCODED",
    `${url.host} sent a body in ${encoding} encoding, which was not asked for`,
    {
      hint: "a proxy between may compress answers: have it leave the registry alone",
    },
  );
}
