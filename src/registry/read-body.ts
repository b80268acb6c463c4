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

/**
 * Reads an answer into memory. More than `limit` bytes, announced or sent, is `BODY_TOO_LARGE` (failed) and the
 * connection is given up; an encoded body is `BODY_ENCODED` (failed), since we asked for none.
 */
export async function readBody(response: HttpResponse, url: URL, limit: number): Promise<Uint8Array> {
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
    return await collect(response.body, limit, tooLong);
  } catch (error) {
    throw networkError(error, url);
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
