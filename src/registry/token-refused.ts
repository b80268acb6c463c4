import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { redact } from "../domain/redact.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import type { Credential } from "./credential.ts";
import { BodyLimit, readBody } from "./read-body.ts";

/**
 * The error for an answer of a token server that is no token; reads at most 64 KiB of what it says.
 * `LOGIN_REFUSED` (unauthorised) for 401 and 403, else `TOKEN_REFUSED` (failed).
 */
export async function tokenRefused(
  response: HttpResponse,
  url: URL,
  request: { readonly host: string; readonly credential: Credential | undefined; readonly scopes: readonly string[] },
): Promise<WasmeError> {
  const { host, credential, scopes } = request;
  const { status } = response;
  const said = await serverSays(response, url);
  const why = said === undefined ? String(status) : `${status}: ${said}`;
  const details = { host, status, scopes };
  if (status !== 401 && status !== 403) {
    return new WasmeError("failed", "TOKEN_REFUSED", `${url.host} gave no token for ${host} (${why})`, {
      hint: `${host} named this token server: check the name of the registry`,
      details,
    });
  }
  // Some token servers refuse where others give less.
  const about = status === 403 && scopes.length > 0 ? `; asked for ${scopes.join(" ")}` : "";
  const what = url.host === host ? "" : ` for ${host}`;
  const message = `${url.host} refused ${whose(credential)}${what} (${why})${about}`;
  return new WasmeError("unauthorised", "LOGIN_REFUSED", message, { hint: whatNext(host, credential), details });
}

/** How messages name a credential. */
function whose(credential: Credential | undefined): string {
  if (credential === undefined) return "an anonymous token";
  if (credential.source !== undefined) return `the credentials in ${credential.source}`;
  return credential.kind === "basic" ? "the user name or password" : "the token";
}

function whatNext(host: string, credential: Credential | undefined): string {
  const login = `wasme login ${host}`;
  if (credential?.source === undefined) return login;
  return `${login}, or remove them there to go on without (wasme logout ${host})`;
}

/** Token servers have their own ways: `{details}`, `{message}`, OAuth's `error_description`, or a registry's `errors`. */
async function serverSays(response: HttpResponse, url: URL): Promise<string | undefined> {
  try {
    const body = tryParseJson(new TextDecoder().decode(await readBody(response, url, BodyLimit.error)));
    if (!isObject(body)) return undefined;
    const { errors } = body;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    const said = [
      body["details"],
      body["error_description"],
      body["message"],
      ...(isObject(first) ? [first["message"]] : []),
    ];
    const text = said.find((each) => typeof each === "string" && each.trim() !== "");
    return typeof text === "string" ? redact(text.replaceAll(/\s+/gu, " ").trim().slice(0, 200)) : undefined;
  } catch {
    return undefined; // what it says is a help, not the point
  }
}
