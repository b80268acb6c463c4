import { WasmeError } from "../domain/errors.ts";
import type { Denial } from "./authorizer.ts";
import type { Scope } from "./scopes.ts";

/** A refusal by the registry itself, said with the scopes the token lacks, and what to do for who asked. */
export function withDenial(error: WasmeError, denial: Denial, host: string): WasmeError {
  if (error.kind !== "unauthorised") return error;
  const { scopes, credential } = denial;
  const isForbidden = error.code === "REGISTRY_DENIED";
  const about = scopes.length === 0 ? "" : `; the token ${isForbidden ? "is for" : "lacks"} ${scopes.join(" ")}`;
  const whose = credential?.source === undefined ? "the account" : `the account in ${credential.source}`;
  const hint = `${whose} ${reason(isForbidden, scopes)}; to log in as another: wasme login ${host}`;
  const next = credential === undefined ? error.hint : hint;
  return new WasmeError(error.kind, error.code, `${error.message}${about}`, {
    ...(next === undefined ? {} : { hint: next }),
    details: { ...error.details, ...(scopes.length === 0 ? {} : { scopes }) },
    cause: error.cause,
  });
}

/** Only a registry that asks for Basic looks at the credentials themselves; before a token the token server did. */
function reason(isForbidden: boolean, scopes: readonly Scope[]): string {
  if (isForbidden) return "may not do this";
  if (scopes.length === 0) return "was refused";
  const isRepository = scopes.some((scope) => scope.startsWith("repository:"));
  return isRepository ? "may not do this, or there is no such repository" : "may not do this";
}
