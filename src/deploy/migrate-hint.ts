import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { type OldReading, readOldFilter } from "./migrate-old-filter.ts";
import type { FilterObjects } from "./our-objects.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/**
 * EnvoyFilters of an old wasme among what was read, of one filter when `id` is named. Without a namespace only ours were
 * read, and the others are asked for. What we may not see counts as not there.
 */
export async function findOldFilters(
  deps: ClusterDeps,
  found: FilterObjects,
  { namespace, id }: { readonly namespace: string | undefined; readonly id: string | undefined },
): Promise<readonly KubeObject[]> {
  const read = found.byVia.get("envoyfilter");
  if (read === undefined) return [];
  const labelSelector = `${MANAGED_BY_LABEL}!=${MANAGED_BY}`;
  const all =
    namespace === undefined
      ? await deniedAsUndefined(deps.port.list({ kind: Kinds.envoyFilter, labelSelector }, deps.signal))
      : { items: read };
  return (all?.items ?? []).filter((object) => {
    const reading = readOldFilter(object);
    return reading !== undefined && (id === undefined || isOf(reading, id));
  });
}

function isOf(reading: OldReading, id: string): boolean {
  return reading.type === "old" && reading.filter.id === id;
}

/** That they are there, and what to type; nothing when there are none. */
export function oldFiltersNote(old: readonly KubeObject[], namespace: string | undefined): readonly string[] {
  if (old.length === 0) return [];
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  const [there, them] =
    old.length === 1
      ? ["is 1 EnvoyFilter", "it into a filter"]
      : [`are ${old.length} EnvoyFilters`, "them into filters"];
  const command = `wasme migrate ${namespace === undefined ? "-A" : `-n ${namespace}`}`;
  return [`there ${there} of an old wasme${where}: ${command} turns ${them} of today`];
}
