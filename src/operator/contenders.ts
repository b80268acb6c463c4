import { at, type KubeObject, stringAt } from "../kube/objects.ts";
import { workloadLabel } from "../mesh/names.ts";
import { type ClusterView, ID_INDEX, idKey, OWNER_INDEX, ownerLabelKey, ownersOf } from "./cluster-view.ts";

/** Of the FilterDeployments of a namespace that want one id, the one that has it: the oldest. */
export function holderOf(view: ClusterView, live: KubeObject, id: string): KubeObject {
  const all = view.filterDeployments.list({ index: { name: ID_INDEX, value: idKey(live.metadata.namespace, id) } });
  return all.reduce((oldest, other) => (isOlder(other, oldest) ? other : oldest), live);
}

/** The objects made for a FilterDeployment, of all kinds. */
export function ownedBy(view: ClusterView, live: KubeObject): readonly KubeObject[] {
  const { uid = "", namespace, name } = live.metadata;
  const values = [uid, ownerLabelKey(namespace, workloadLabel(name))];
  const found = view.filters.flatMap((kind) =>
    values.flatMap((value) => kind.list({ ...inside(namespace), index: { name: OWNER_INDEX, value } })),
  );
  return [...new Set(found)];
}

/** A FilterDeployment that still exists and whose objects have this id although another one holds it now. */
export function leavingHolder(view: ClusterView, live: KubeObject, id: string): KubeObject | undefined {
  const { namespace } = live.metadata;
  const objects = view.filters.flatMap((kind) => kind.list({ index: { name: ID_INDEX, value: idKey(namespace, id) } }));
  const owners = new Set(objects.flatMap((object) => ownersOf(object)));
  return view.filterDeployments
    .list(inside(namespace))
    .find((other) => other.metadata.uid !== live.metadata.uid && owners.has(other.metadata.uid ?? ""));
}

function inside(namespace: string | undefined): { readonly namespace?: string } {
  return namespace === undefined ? {} : { namespace };
}

/** By when they were made; two of one second by their uids, so that all who compare agree. */
function isOlder(a: KubeObject, b: KubeObject): boolean {
  const [first, second] = [a, b].map(
    (one) => `${stringAt(at(one, "metadata"), "creationTimestamp") ?? ""} ${one.metadata.uid ?? ""}`,
  );
  return (first ?? "") < (second ?? "");
}
