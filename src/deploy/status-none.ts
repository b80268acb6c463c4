import { didYouMean } from "../domain/did-you-mean.ts";
import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import { FILTER_LABEL, WORKLOAD_KIND_LABEL, WORKLOAD_LABEL } from "../mesh/names.ts";
import { noticesOn } from "./cache-list.ts";
import { inParallel } from "./in-parallel.ts";
import { oldFiltersNote } from "./migrate-hint.ts";
import { cacheUseOf, type OurObject } from "./our-objects.ts";
import { cacheOf } from "./cache-name.ts";
import { awaitedNote } from "./plan-cache-release.ts";
import { readNamespace } from "./read-namespace.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
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
  {
    id,
    begun,
    old,
    ...found
  }: Found & {
    readonly id: string | undefined;
    readonly begun: readonly string[];
    /** EnvoyFilters of an old wasme that are of this filter. */
    readonly old: readonly KubeObject[];
  },
): Promise<readonly string[]> {
  const { namespace, everything } = found;
  if (namespace !== undefined && everything.length === 0) await readNamespace(deps, namespace);
  if (id !== undefined) throw notDeployed(id, found, [...begun, ...oldFiltersNote(old, namespace)]);
  return passedOver(everything);
}

/**
 * Filters of the namespace that a deploy has begun with, by what it says on the lists of the usual node cache and of those
 * that filters there come from. It may be under way: nobody can see whether it is slow or dead.
 */
export async function begunDeploys(
  deps: ClusterDeps,
  { namespace, id, everything }: { readonly id: string | undefined } & Pick<Found, "namespace" | "everything">,
): Promise<readonly string[]> {
  const used = everything.flatMap(({ object }) => cacheUseOf(object)?.cache ?? []);
  const told = await inParallel([...new Set([USUAL_CACHE, ...used])], async (title) => {
    const cache = cacheOf(title);
    const list = await deniedAsUndefined(deps.port.get({ kind: Kinds.configMap, ...cache }, deps.signal));
    const begun = noticesOn(list, "coming").filter(({ from }) => {
      // Of a FilterDeployment, which has three parts, the operator tells.
      const [place, name, ...more] = from.split("/");
      const isMeant = (namespace ?? place) === place && (id ?? name) === name;
      return isMeant && more.length === 0;
    });
    return begun.map((notice) => awaitedNote(cache, notice, stringMapAt(list, "data")));
  });
  return told.flat();
}

const USUAL_CACHE = "wasme/wasme-cache";

/** Filters that are there, when none of them is one that was asked for. */
function passedOver(objects: readonly OurObject[]): readonly string[] {
  if (objects.length === 0) return [];
  return [`filters are there, on other workloads: ${placesOf(objects).join(", ")}`];
}

function notDeployed(id: string, { namespace, everything, wishes }: Found, known: readonly string[]): WasmeError {
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
    hint: known[0] ?? (meant === undefined ? there : `did you mean --id ${meant}?`),
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
