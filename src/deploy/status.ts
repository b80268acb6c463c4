import { WasmeError } from "../domain/errors.ts";
import type { WorkloadKind } from "../domain/workload.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { FILTER_LABEL, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { noIstio } from "./choose-via.ts";
import { inParallel } from "./in-parallel.ts";
import { findOldFilters, oldFiltersNote } from "./migrate-hint.ts";
import { oursAmong, readFilterObjects, servedVias } from "./our-objects.ts";
import { type ClusterDeps, type Via, VIAS } from "./request.ts";
import { aboutNone, begunDeploys } from "./status-none.ts";
import { statusOf } from "./status-filter.ts";
import type { Wishes } from "./status-operator.ts";
import { readOperators, unservedNote } from "./status-operators.ts";
import type { ProxyDeps } from "./status-proxies.ts";
import type { FilterStatus } from "./status-step.ts";
import { deniedTo, list, type Sight, survey } from "./status-survey.ts";
import { unmade } from "./status-unmade.ts";
import { VIA_KIND } from "./via-kind.ts";

/** Which filters are looked at, and how closely. */
export interface StatusRequest {
  /** Absent: all filters. */
  readonly id: string | undefined;
  /** Absent: the namespace of the kubeconfig's context. */
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  /** Labels that the workload itself has. */
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: all kinds. */
  readonly kind: WorkloadKind | undefined;
  /** Asks the proxies, too. */
  readonly explain: boolean;
}

/** How the filters do. */
export interface StatusResult {
  /** Absent for all namespaces. */
  readonly namespace: string | undefined;
  readonly filters: readonly FilterStatus[];
  /** What may not be seen, so that filters may be missing above, deploys that were begun, and filters of an old wasme. */
  readonly notes: readonly string[];
}

/** What looking takes. */
export type StatusDeps = ClusterDeps & Pick<ProxyDeps, "pods">;

/**
 * Looks how filters do: what each is to run, and how far every step on the way there is. Reads only; what may not be read
 * is told as such. Throws `FILTER_NOT_DEPLOYED` (not-found) when an id is named and there is no such filter,
 * `NAMESPACE_NOT_FOUND` (not-found), `ISTIO_NOT_INSTALLED` (incompatible), and `KUBE_FORBIDDEN` when nothing at all may be seen.
 */
export async function filterStatus(deps: StatusDeps, request: StatusRequest): Promise<StatusResult> {
  const namespace = request.allNamespaces ? undefined : (request.namespace ?? deps.port.namespace);
  const served = await servedVias(deps);
  if (served.size === 0) throw noIstio();
  const [found, wishes] = await Promise.all([readFilterObjects(deps, served, namespace), readWishes(deps, namespace)]);
  if (found.denied.length === served.size) throw nothingSeen(found.denied, namespace);
  const everything = oursAmong(found);
  const objects = everything.filter(({ object }) => isAsked(object, request));
  const seen = await survey(deps, objects, goingPlaces(wishes));
  const { labels, explain } = request;
  const around = { labels, explain, seen, wishes, now: deps.clock.now() };
  const made = await inParallel(objects, (one) => statusOf(deps, one, around));
  const filters = [
    ...made.filter((one) => one !== undefined),
    ...unmade({ ours: everything, denied: found.denied, spaces: seen.spaces }, wishes, request),
  ];
  const unserved = wishes.unserved === true ? unservedNote(wishes.operators, namespace) : [];
  const begun = await begunDeploys(deps, { namespace, id: request.id, everything });
  const old = await findOldFilters(deps, found, { namespace, id: request.id });
  const none =
    filters.length === 0
      ? await aboutNone(deps, { id: request.id, namespace, everything, wishes, begun: [...begun, ...unserved], old })
      : [];
  const notes = [...unshown(wishes.all, request), ...none, ...begun, ...unserved, ...oldFiltersNote(old, namespace)];
  const denied = [
    ...found.denied.map((via) => deniedTo("list", VIA_KIND[via], namespace)),
    ...("denied" in wishes.all ? [wishes.all.denied] : []),
  ];
  const order = (one: FilterStatus): string => `${one.namespace}/${one.id}/${one.workload ?? ""}`;
  return {
    namespace,
    filters: filters.toSorted((a, b) => (order(a) < order(b) ? -1 : 1)),
    notes: [...denied.map(({ message, fix }) => `${message}; ${fix}`), ...notes],
  };
}

/** Where a FilterDeployment is being deleted: with its namespace, maybe. */
function goingPlaces({ all }: Wishes): readonly string[] {
  const seen = "seen" in all ? all.seen : [];
  return seen.flatMap(({ metadata: own }) => (own.deletionTimestamp === undefined ? [] : (own.namespace ?? [])));
}

/** What a FilterDeployment without objects will be for is told by its selector only, not by labels of a workload. */
function unshown(wishes: Sight<readonly KubeObject[]>, { labels }: StatusRequest): readonly string[] {
  const some = "seen" in wishes && wishes.seen.length > 0 && Object.keys(labels).length > 0;
  return some ? ["FilterDeployments that have made nothing yet are shown without -l only"] : [];
}

/** The operators are of interest only where there is something for them to do. */
async function readWishes(deps: ClusterDeps, namespace: string | undefined): Promise<Wishes> {
  const kind = Kinds.filterDeployment;
  if (!(await deps.port.served(kind, deps.signal))) {
    return { all: { seen: [] }, operators: await readOperators(deps), unserved: true };
  }
  const all = await list(deps, { kind, ...(namespace === undefined ? {} : { namespace }) });
  const anyWish = "seen" in all && all.seen.length > 0;
  return { all, operators: anyWish ? await readOperators(deps) : { seen: [] } };
}

function isAsked(object: KubeObject, { id, kind }: StatusRequest): boolean {
  const labels = object.metadata.labels ?? {};
  if (id !== undefined && labels[FILTER_LABEL] !== id) return false;
  return kind === undefined || labels[WORKLOAD_KIND_LABEL] === kind.toLowerCase();
}

function nothingSeen(denied: readonly Via[], namespace: string | undefined): WasmeError {
  const [first = VIAS[0] ?? "envoyfilter"] = denied;
  const { message, fix } = deniedTo("list", VIA_KIND[first], namespace);
  return new WasmeError("unauthorised", "KUBE_FORBIDDEN", message.replace(/: cannot tell$/u, ""), { hint: fix });
}
