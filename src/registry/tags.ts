import { readNames } from "./paged-list.ts";
import type { RepositoryContext } from "./repository-context.ts";

/**
 * All tags of a repository, each once, in the order the registry gives them; `undefined` when there is no such
 * repository. Some registries put nulls or digests among them: those are left out. Throws as {@link readNames} does.
 */
export async function listTags(
  context: RepositoryContext,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  const { session, repository } = context;
  const { tagPageSize } = await session.quirks();
  const list = {
    request: {
      target: `${repository}/tags/list${tagPageSize > 0 ? `?n=${tagPageSize}` : ""}`,
      repository,
      scopes: context.scopes(),
      action: `list the tags of ${repository}`,
    },
    key: "tags",
    what: `the tags of ${repository}`,
    item: TAG,
    isAbsent: ({ status }: { readonly status: number }) => status === 404,
  };
  return readNames(session, list, signal);
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/u;
