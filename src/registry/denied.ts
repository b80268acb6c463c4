import { WasmeError } from "../domain/errors.ts";
import type { Denial } from "./authorizer.ts";

/** A refusal by the registry itself, said with the scopes the token lacks, and what to do for who asked. */
export function withDenial(error: WasmeError, denial: Denial, host: string): WasmeError {
  if (error.kind !== "unauthorised") return error;
  const { scopes, credential } = denial;
  const denied = scopes.length === 0 ? "" : `; the token lacks ${scopes.join(" ")}`;
  const hint = credential === undefined ? error.hint : hintFor(credential.source, host, denied !== "");
  return new WasmeError(error.kind, error.code, `${error.message}${denied}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...error.details, ...(scopes.length === 0 ? {} : { scopes }) },
    cause: error.cause,
  });
}

function hintFor(source: string | undefined, host: string, known: boolean): string {
  const login = `wasme login ${host}`;
  const whose = source === undefined ? "the account" : `the account in ${source}`;
  return known
    ? `${whose} is known but may not do this: log in as another (${login})`
    : `${whose} was refused: ${login}`;
}
