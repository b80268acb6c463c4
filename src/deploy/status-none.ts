import { didYouMean } from "../domain/did-you-mean.ts";
import { WasmeError } from "../domain/errors.ts";
import { FILTER_LABEL, WORKLOAD_KIND_LABEL, WORKLOAD_LABEL } from "../mesh/names.ts";
import type { OurObject } from "./our-objects.ts";
import { readNamespace } from "./read-namespace.ts";
import type { ClusterDeps } from "./request.ts";
import { ownFilterId, type Wishes } from "./status-operator.ts";

/** What is there, when nothing of it is what was asked for. */
export interface Found {
  /** `undefined` for all namespaces. */
  readonly namespace: string | undefined;
  readonly everything: readonly OurObject[];
  readonly wishes: Wishes;
}

/**
 * What to say when no filter is one that was asked for. Throws `NAMESPACE_NOT_FOUND` (not-found), and
 * `FILTER_NOT_DEPLOYED` (not-found) when an id was named.
 */
export async function aboutNone(
  deps: ClusterDeps,
  { id, ...found }: Found & { readonly id: string | undefined },
): Promise<readonly string[]> {
  const { namespace, everything } = found;
  if (namespace !== undefined && everything.length === 0) await readNamespace(deps, namespace);
  if (id !== undefined) throw notDeployed(id, found);
  return passedOver(everything);
}

/** Filters that are there, when none of them is one that was asked for. */
function passedOver(objects: readonly OurObject[]): readonly string[] {
  if (objects.length === 0) return [];
  return [`filters are there, on other workloads: ${placesOf(objects).join(", ")}`];
}

function notDeployed(id: string, { namespace, everything, wishes }: Found): WasmeError {
  const same = everything.filter(({ object }) => object.metadata.labels?.[FILTER_LABEL] === id);
  const where = namespace === undefined ? "in any namespace" : `in namespace ${JSON.stringify(namespace)}`;
  if (same.length > 0) {
    const message = `filter ${JSON.stringify(id)} is not deployed ${where} on such a workload`;
    const hint = `leave -l and -t out: it is there as ${placesOf(same).join(", ")}`;
    return new WasmeError("not-found", "FILTER_NOT_DEPLOYED", message, { hint, details: { id, deployed: [id] } });
  }
  const made = everything.map(({ object }) => object.metadata.labels?.[FILTER_LABEL] ?? "");
  const ids = [...new Set([...made, ...("seen" in wishes.all ? wishes.all.seen.map(ownFilterId) : [])])].toSorted(
    (a, b) => (a < b ? -1 : 1),
  );
  const meant = didYouMean(id, ids);
  const there =
    ids.length === 0
      ? "no filter is deployed there; -n names another namespace, -A takes all"
      : `there are: ${ids.slice(0, 10).join(", ")}`;
  return new WasmeError("not-found", "FILTER_NOT_DEPLOYED", `filter ${JSON.stringify(id)} is not deployed ${where}`, {
    hint: meant === undefined ? there : `did you mean --id ${meant}?`,
    details: { id, deployed: ids },
  });
}

/** `hello on deployment/web`, of the first few. */
function placesOf(objects: readonly OurObject[]): readonly string[] {
  const places = objects.map(({ object }) => {
    const labels = object.metadata.labels ?? {};
    return `${labels[FILTER_LABEL] ?? ""} on ${labels[WORKLOAD_KIND_LABEL] ?? ""}/${labels[WORKLOAD_LABEL] ?? ""}`;
  });
  return [...new Set(places)].toSorted((a, b) => (a < b ? -1 : 1)).slice(0, 10);
}
