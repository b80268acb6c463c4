import { WasmeError } from "../domain/errors.ts";
import { apiVersion, kindOf, Kinds, type ResourceKind } from "../kube/kinds.ts";
import { type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { inParallel } from "./in-parallel.ts";
import { refTitle, refTo } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";

/** What is in a namespace, or why nobody can tell us all of it, as the end of a sentence. */
export type Inhabitants = readonly ObjectRef[] | { readonly unseen: string };

/**
 * What is in a namespace besides what `isPart` knows, what Kubernetes puts into every one, and what is only there because
 * of these: a namespace that holds such a thing is not ours to delete. All kinds the server has are looked at, custom ones
 * too, by their metadata alone: whatever would go with the namespace. One kind that cannot be seen leaves the whole unseen.
 */
export async function inhabitants(
  deps: ClusterDeps,
  namespace: string,
  isPart: (kind: ResourceKind, item: KubeObject) => boolean,
): Promise<Inhabitants> {
  const { port, signal } = deps;
  try {
    const kinds = await port.kindsInNamespaces(signal);
    const lists = await inParallel(
      kinds.filter(({ kind }) => kind !== Kinds.event.kind),
      async (served) => {
        const kind = kindOf({ apiVersion: apiVersion(served), kind: served.kind }) ?? served;
        const { items } = await port.list({ kind, namespace, metadataOnly: true }, signal);
        return items.map((item) => ({ kind, item }));
      },
    );
    return strangers(lists.flat(), ({ kind, item }) => isGiven(kind, item) || isPart(kind, item));
  } catch (error) {
    if (!(error instanceof WasmeError) || !UNSEEN.has(error.code)) throw error;
    return { unseen: error.message };
  }
}

/** Why a namespace stays: what else is in it, or that this cannot be seen; `undefined` when it need not. */
export function inhabitedNote(namespace: string, others: Inhabitants): string | undefined {
  if ("unseen" in others) return `namespace ${namespace} stays: what else is in it cannot be seen: ${others.unseen}`;
  if (others.length === 0) return undefined;
  const some = others.slice(0, NAMED).map((ref) => refTitle(ref));
  const more = others.length > NAMED ? [`${others.length - NAMED} more`] : [];
  return `namespace ${namespace} stays: it holds ${[...some, ...more].join(", ")}`;
}

const NAMED = 3;

interface Found {
  readonly kind: ResourceKind;
  readonly item: KubeObject;
}

/** All but the parts, and but what parts alone own: a network plug-in's word on a pod goes with the pod. */
function strangers(found: readonly Found[], isKnown: (one: Found) => boolean): readonly ObjectRef[] {
  const known = new Set(found.filter((one) => isKnown(one)).map(({ item }) => item.metadata.uid));
  let left = found.filter(({ item }) => !known.has(item.metadata.uid));
  for (;;) {
    const owned = left.filter(({ item }) => isOwnedBy(item, known));
    if (owned.length === 0) return left.map(({ kind, item }) => refTo(kind, item));
    for (const { item } of owned) known.add(item.metadata.uid);
    left = left.filter(({ item }) => !known.has(item.metadata.uid));
  }
}

function isOwnedBy({ metadata }: KubeObject, uids: ReadonlySet<string | undefined>): boolean {
  const owners = listAt(metadata, "ownerReferences");
  return owners.length > 0 && owners.every((owner) => uids.has(stringAt(owner, "uid")));
}

/** What Kubernetes, or a mesh, puts into every namespace. */
function isGiven(kind: ResourceKind, { metadata }: KubeObject): boolean {
  return GIVEN.has(`${kind.kind} ${metadata.name}`);
}

const GIVEN: ReadonlySet<string> = new Set([
  "ConfigMap kube-root-ca.crt",
  "ConfigMap istio-ca-root-cert",
  "ServiceAccount default",
]);

/** Refusals, and what a server says whose extensions are down: nothing of ours depends on either. */
const UNSEEN: ReadonlySet<string> = new Set([
  "KUBE_FORBIDDEN",
  "KUBE_DENIED",
  "KUBE_FAILED",
  "KUBE_INVALID",
  "KUBE_KIND_NOT_SERVED",
  "KUBE_OVERLOADED",
]);
