import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, parseImageReference } from "../domain/image-reference.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringAt } from "../kube/objects.ts";
import type { ClusterDeps, Owner } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/**
 * Which of a cache's entries a FilterDeployment names: by the image it reports, by the digest it asks for, or, while it
 * reports none, by the tag it asks for. `undefined` when we may not look. `owner` does not count, nor what is being deleted.
 */
export async function filterDeploymentsNaming(
  deps: ClusterDeps,
  entries: Readonly<Record<string, string>>,
  owner: Owner | undefined,
): Promise<ReadonlySet<string> | undefined> {
  if (!(await deps.port.served(Kinds.filterDeployment, deps.signal))) return new Set();
  const listed = await deniedAsUndefined(deps.port.list({ kind: Kinds.filterDeployment }, deps.signal));
  if (listed === undefined) return undefined;
  const staying = listed.items.filter(
    ({ metadata }) => metadata.uid !== owner?.uid && metadata.deletionTimestamp === undefined,
  );
  const named = staying.flatMap((one) => referencesIn(one));
  const keys = Object.entries(entries).filter(([, value]) => {
    const entry = parsed(value);
    return entry !== undefined && named.some((reference) => means(reference, entry));
  });
  return new Set(keys.map(([key]) => key));
}

/** True when the FilterDeployment that a filter is deployed for names the entry, for everybody to see. */
export async function isNamedBy(
  deps: ClusterDeps,
  owner: { readonly name: string; readonly namespace: string },
  value: string,
): Promise<boolean> {
  const live = await deps.port.get({ kind: Kinds.filterDeployment, ...owner }, deps.signal);
  const entry = parsed(value);
  return live !== undefined && entry !== undefined && referencesIn(live).some((reference) => means(reference, entry));
}

function referencesIn(object: KubeObject): readonly ImageReference[] {
  const asked = parsed(stringAt(object, "spec", "filter", "image"));
  const told = parsed(stringAt(object, "status", "image"));
  const both = told === undefined || asked?.digest !== undefined ? [told, asked] : [told];
  return both.filter((reference) => reference !== undefined);
}

/** A digest names an entry whatever its tag; a tag without a digest names whatever entry was made of it. */
function means(reference: ImageReference, entry: ImageReference): boolean {
  if (reference.digest !== undefined) return reference.digest === entry.digest;
  return formatReference(reference) === formatReference({ ...entry, digest: undefined });
}

function parsed(text: string | undefined): ImageReference | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseImageReference(text);
  } catch (error) {
    if (error instanceof WasmeError) return undefined;
    throw error;
  }
}
