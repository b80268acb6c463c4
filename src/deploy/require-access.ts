import { WasmeError } from "../domain/errors.ts";
import { resourceName } from "../kube/kinds.ts";
import type { Access } from "../kube/port.ts";
import { canIHint } from "../kube/status-error.ts";
import type { ClusterDeps } from "./request.ts";

/** What asking takes. */
export type AccessDeps = Pick<ClusterDeps, "signal" | "trial"> & {
  readonly port: Pick<ClusterDeps["port"], "accessReview">;
};

/**
 * Asks the server for each thing we are about to do whether we may, and throws one `KUBE_FORBIDDEN` (unauthorised)
 * that names all that is missing, before anything is changed. A server that does not answer such questions is not
 * asked twice: its refusals come with the requests themselves. Asks nothing where nothing is to be tried.
 */
export async function requireAccess(deps: AccessDeps, needs: readonly Access[]): Promise<void> {
  const missing = await missingAccess(deps, needs);
  const [first] = missing;
  if (first === undefined) return;
  const list = missing.map((access) => accessText(access));
  throw new WasmeError("unauthorised", "KUBE_FORBIDDEN", `not allowed to ${joinAnd(list)}; nothing was changed`, {
    hint: `${canIHint(first)} shows it; ask for a role with ${missing.length === 1 ? "that verb" : "these verbs"}`,
    details: {
      missing: missing.map(({ verb, kind, namespace }) => ({
        verb,
        resource: resourceName(kind),
        namespace: namespace ?? null,
      })),
    },
  });
}

/** The part of `needs` the server says no to. */
export async function missingAccess(deps: AccessDeps, needs: readonly Access[]): Promise<readonly Access[]> {
  if (deps.trial === false) return [];
  const distinct = [...new Map(needs.map((access) => [accessText(access), access])).values()];
  const allowed = await Promise.all(
    distinct.map((access) =>
      deps.port.accessReview(access, deps.signal).catch((error: unknown) => {
        if (error instanceof WasmeError && error.kind === "unauthorised" && error.code === "KUBE_FORBIDDEN")
          return true;
        throw error;
      }),
    ),
  );
  return distinct.filter((_, index) => allowed[index] === false);
}

/** The value, or `undefined` when RBAC does not let us see it. */
export async function deniedAsUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_FORBIDDEN") return undefined;
    throw error;
  }
}

function accessText(access: Access): string {
  const name = access.name === undefined ? "" : ` ${JSON.stringify(access.name)}`;
  const where = access.namespace === undefined ? "" : ` in namespace ${JSON.stringify(access.namespace)}`;
  return `${access.verb} ${resourceName(access.kind)}${name}${where}`;
}

function joinAnd(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}`;
}
