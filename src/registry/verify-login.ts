import { WasmeError } from "../domain/errors.ts";
import { Session, type SessionDeps } from "./session.ts";
import type { Credential } from "./credential.ts";

/** `verified`: the registry accepted the credential. `open`: it asked for none, so nothing is known about it. */
export type LoginCheck = "verified" | "open";

/**
 * Tries a credential on a registry: `/v2/`, and its token endpoint when it has one.
 * Throws `LOGIN_REFUSED` (unauthorised) when it is not accepted, `NOT_A_REGISTRY` (failed) when `/v2/` is no such thing.
 */
export async function verifyLogin(
  host: string,
  credential: Credential,
  deps: SessionDeps,
  signal?: AbortSignal,
): Promise<LoginCheck> {
  let asked = false;
  const session = new Session(host, {
    ...deps,
    credentials: () => {
      asked = true;
      return Promise.resolve(credential);
    },
  });
  const request = { method: "GET", target: "", scopes: [], action: "log in", signal };
  const followed = await session.send(request).catch((error: unknown) => {
    throw error instanceof WasmeError && error.code === "LOGIN_REFUSED" ? refused(error.message, error.details) : error;
  });
  const { response } = followed;
  const { status } = response;
  if (status === 200) {
    response.discard();
    return asked ? "verified" : "open";
  }
  if (status === 401 || status === 403) {
    response.discard();
    throw refused(`${host} refused the user name or password (${status})`, { host, status });
  }
  if (status !== 404) throw await session.refusal(followed, request);
  response.discard();
  throw new WasmeError("failed", "NOT_A_REGISTRY", `${host} is not an OCI registry: it has no /v2/`, {
    hint: "check the name and port",
  });
}

/** To log in is what is being tried: the usual hint would lead in a circle. */
function refused(message: string, details: Readonly<Record<string, unknown>> = {}): WasmeError {
  return new WasmeError("unauthorised", "LOGIN_REFUSED", message, {
    hint: "many registries want an access token instead of the account's password",
    details,
  });
}
