import { filterIdOf } from "../domain/filter-deployment.ts";
import { at, type KubeObject, stringAt } from "../kube/objects.ts";
import { FILTER_LABEL, workloadLabel } from "../mesh/names.ts";
import type { CachedPort } from "./cached-port.ts";
import {
  type ClusterView,
  FILTER_KINDS,
  ID_INDEX,
  idKey,
  OWNER_INDEX,
  ownerLabelKey,
  ownersOf,
} from "./cluster-view.ts";

/** Of the FilterDeployments of a namespace that want one id, the one that has it: the oldest. */
export function holderOf(view: ClusterView, live: KubeObject, id: string): KubeObject {
  const all = view.filterDeployments.list({ index: { name: ID_INDEX, value: idKey(live.metadata.namespace, id) } });
  return all.reduce((oldest, other) => (isOlder(other, oldest) ? other : oldest), live);
}

/** The objects made for a FilterDeployment, of all kinds. */
export function ownedBy(port: CachedPort, live: KubeObject): readonly KubeObject[] {
  const { uid = "", namespace = "", name } = live.metadata;
  const values = [uid, ownerLabelKey(namespace, workloadLabel(name))];
  const found = FILTER_KINDS.flatMap((kind) =>
    values.flatMap((value) => port.known(kind, { namespace, index: { name: OWNER_INDEX, value } })),
  );
  const own = found.filter((object) => ownersOf(object).some((owner) => values.includes(owner)));
  return [...new Map(own.map((object) => [`${object.kind} ${object.metadata.name}`, object])).values()];
}

/** A FilterDeployment that still exists and whose objects have this id although another one holds it now. */
export function leavingHolder(
  deps: { readonly port: CachedPort; readonly view: ClusterView },
  live: KubeObject,
  id: string,
): KubeObject | undefined {
  const { namespace = "", uid } = live.metadata;
  const value = idKey(namespace, id);
  const owners = new Set(
    FILTER_KINDS.flatMap((kind) => deps.port.known(kind, { namespace, index: { name: ID_INDEX, value } }))
      .filter((object) => object.metadata.labels?.[FILTER_LABEL] === id)
      .flatMap((object) => ownersOf(object)),
  );
  if (owners.size === 0) return undefined;
  return deps.view.filterDeployments
    .list({ namespace })
    .find(({ metadata }) => metadata.uid !== uid && owners.has(metadata.uid ?? ""));
}

/** Whether an object made for a FilterDeployment has an id that this one gave up and another one wants. */
export function isWantedByOthers(view: ClusterView, live: KubeObject, object: KubeObject): boolean {
  const id = object.metadata.labels?.[FILTER_LABEL];
  const { namespace, uid } = live.metadata;
  if (id === undefined || filterIdOf(live) === id) return false;
  const wanting = view.filterDeployments.list({ index: { name: ID_INDEX, value: idKey(namespace, id) } });
  return wanting.some(({ metadata }) => metadata.uid !== uid && metadata.deletionTimestamp === undefined);
}

/** By when they were made; two of one second by their uids, so that all who compare agree. */
function isOlder(a: KubeObject, b: KubeObject): boolean {
  const [first, second] = [a, b].map(
    (one) => `${stringAt(at(one, "metadata"), "creationTimestamp") ?? ""} ${one.metadata.uid ?? ""}`,
  );
  return (first ?? "") < (second ?? "");
}
