import type { Descriptor } from "../domain/descriptor.ts";
import type { RetryBudget } from "./retry.ts";
import type { RepositoryContext } from "./repository-context.ts";

/** HEAD of a blob. A registry that cannot do it (405) counts as not having it: uploading again does no harm. */
export async function blobIsThere(
  context: RepositoryContext,
  descriptor: Pick<Descriptor, "digest">,
  options: { readonly signal?: AbortSignal | undefined; readonly budget?: RetryBudget } = {},
): Promise<boolean> {
  const request = {
    method: "HEAD",
    target: `${context.repository}/blobs/${descriptor.digest}`,
    repository: context.repository,
    scopes: context.scopes(),
    action: `read ${context.name}`,
    ...options,
  };
  const followed = await context.session.send(request);
  const { status } = followed.response;
  if (status === 200) {
    followed.response.discard();
    return true;
  }
  if (status === 401 || status === 403) throw await context.session.refusal(followed, request);
  followed.response.discard();
  return false;
}
