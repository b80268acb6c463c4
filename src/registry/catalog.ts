import { readPages } from "./paged-list.ts";
import type { Session } from "./session.ts";

/**
 * The names of all repositories of a registry, in its order; `undefined` when it does not offer the list, which most
 * public ones do not. The distribution specification leaves `_catalog` out; registries have it from Docker's.
 * Throws as {@link readPages} does.
 */
export function listCatalog(session: Session, signal?: AbortSignal): Promise<readonly string[] | undefined> {
  const list = {
    request: { target: "_catalog", scopes: ["registry:catalog:*"], action: "list its repositories" },
    key: "repositories",
    what: "its repositories",
    item: NAME,
    isAbsent: (status: number, code: unknown) => NOT_OFFERED.has(status) || code === "UNSUPPORTED",
  };
  return readPages(session, list, signal);
}

const NOT_OFFERED: ReadonlySet<number> = new Set([404, 405, 501]);
/** Names are checked for real when a reference is made of them. */
const NAME = /^[a-z0-9][a-z0-9._/-]{0,254}$/u;
