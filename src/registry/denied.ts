import { WasmeError } from "../domain/errors.ts";
import type { Denial } from "./authorizer.ts";

/** A refusal by the registry itself, said with the scopes the token lacks, and what to do for who asked. */
export function withDenial(error: WasmeError, denial: Denial, host: string): WasmeError {
  if (error.kind !== "unauthorised") return error;
  const { scopes, credential } = denial;
  const isForbidden = error.code === "REGISTRY_DENIED";
  const about = scopes.length === 0 ? "" : `; the token ${isForbidden ? "is for" : "lacks"} ${scopes.join(" ")}`;
  // Only the token server, or a registry that asks for Basic, looks at the credentials themselves.
  const isKnown = isForbidden || scopes.length > 0;
  const hint = credential === undefined ? error.hint : hintFor(credential.source, host, isKnown);
  return new WasmeError(error.kind, error.code, `${error.message}${about}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...error.details, ...(scopes.length === 0 ? {} : { scopes }) },
    cause: error.cause,
  });
}

function hintFor(source: string | undefined, host: string, isKnown: boolean): string {
  const login = `wasme login ${host}`;
  const whose = source === undefined ? "the account" : `the account in ${source}`;
  return isKnown
    ? `${whose} may not do this, or there is no such repository; to log in as another: ${login}`
    : `${whose} was refused: ${login}`;
}
