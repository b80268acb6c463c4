import { WasmeError } from "../domain/errors.ts";
import type { KubeObject } from "../kube/objects.ts";
import { filterLabels } from "../mesh/filter-object.ts";
import { MANAGED_BY, MANAGED_BY_LABEL, WORKLOAD_KIND_LABEL, WORKLOAD_LABEL, workloadLabel } from "../mesh/names.ts";
import { VIA_KIND } from "./choose-via.ts";
import { type ClusterDeps, type Via, VIAS } from "./request.ts";
import { labelText } from "./select-workloads.ts";

/** An object we made to carry a filter, and how. */
export interface OurObject {
  readonly via: Via;
  readonly object: KubeObject;
}

/** Which of the kinds the cluster serves. */
export async function servedVias(deps: ClusterDeps): Promise<ReadonlySet<Via>> {
  const answers = await Promise.all(VIAS.map((via) => deps.port.served(VIA_KIND[via], deps.signal)));
  return new Set(VIAS.filter((_, index) => answers[index]));
}

/** The objects of filter `id` in a namespace, of these kinds; a kind we may not list counts as empty, with a debug line. */
export async function listOurs(
  deps: ClusterDeps,
  where: { readonly id: string; readonly namespace: string },
  vias: Iterable<Via>,
): Promise<readonly OurObject[]> {
  const labelSelector = labelText(filterLabels(where.id));
  const found: OurObject[] = [];
  for (const via of vias) {
    const selection = { kind: VIA_KIND[via], namespace: where.namespace, labelSelector };
    const { items } = await deps.port.list(selection, deps.signal).catch((error: unknown) => {
      if (!(error instanceof WasmeError) || error.code !== "KUBE_FORBIDDEN") throw error;
      deps.events({ type: "debug", message: `${error.message}: taken as none` });
      return { items: [] };
    });
    found.push(...items.map((object) => ({ via, object })));
  }
  return found;
}

/** Every EnvoyFilter of ours in a namespace, or everywhere. */
export async function listOurEnvoyFilters(deps: ClusterDeps, namespace?: string): Promise<readonly KubeObject[]> {
  const selection = { kind: VIA_KIND.envoyfilter, labelSelector: labelText({ [MANAGED_BY_LABEL]: MANAGED_BY }) };
  const scoped = namespace === undefined ? selection : { ...selection, namespace };
  return (await deps.port.list(scoped, deps.signal)).items;
}

/** True when our object is for this workload. */
export function isFor(object: KubeObject, workload: { readonly kind: string; readonly name: string }): boolean {
  const labels = object.metadata.labels ?? {};
  return (
    labels[WORKLOAD_LABEL] === workloadLabel(workload.name) &&
    labels[WORKLOAD_KIND_LABEL] === workload.kind.toLowerCase()
  );
}
