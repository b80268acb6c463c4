import type { KubeObject } from "../kube/objects.ts";
import { inParallel } from "./in-parallel.ts";
import { isOurManager } from "./look-at-cache.ts";
import { type FilterObjects, objectsNamed } from "./our-objects.ts";
import type { ApplyChange } from "./plan.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { says } from "./same-object.ts";
import { settleApply } from "./settle-change.ts";
import { VIA_KIND } from "./via-kind.ts";

/** So many objects that are alike are tried; what the server says of these it would say of the rest. */
const SAMPLE = 16;

/**
 * Finds out what applying the objects of one deploy would do. They differ in names and labels only, so schema, admission,
 * RBAC and quota are found out with the first of them; each one that somebody else has written to is tried, since that
 * may conflict. With `all` every one is tried. What was listed before is not read again.
 */
export async function settleObjects(
  deps: ClusterDeps,
  wanted: readonly KubeObject[],
  how: { readonly found: FilterObjects; readonly via: Via; readonly force: boolean; readonly all: boolean },
): Promise<readonly ApplyChange[]> {
  const { found, via, force } = how;
  const listed = found.byVia.get(via);
  const byName = objectsNamed(listed ?? [], wanted);
  const base = { kind: VIA_KIND[via], reason: REASON[via], force };
  const alike = { create: 0, update: 0 };
  const planned = wanted.map((object) => {
    if (listed === undefined) return { object, seen: undefined, tried: true };
    const before = byName.get(object.metadata.name);
    const seen = { before };
    if (before !== undefined && (says(before, object) || isShared(before))) return { object, seen, tried: true };
    const action = before === undefined ? "create" : "update";
    alike[action] += 1;
    return { object, seen, tried: how.all || alike[action] <= SAMPLE };
  });
  return inParallel(planned, ({ object, seen, tried }) => {
    const known = seen === undefined ? {} : { seen };
    return settleApply(tried ? deps : { ...deps, trial: false }, { ...base, object, ...known });
  });
}

/** True when somebody else wrote fields of the object that we may want to write: the status that istiod writes is not. */
function isShared(object: KubeObject): boolean {
  const rows = object.metadata.managedFields ?? [];
  return rows.some(({ manager, ["subresource"]: part = "" }) => part === "" && !isOurManager(manager));
}

const REASON: Readonly<Record<Via, string>> = {
  envoyfilter: "puts the filter before the router",
  wasmplugin: "makes the proxies load and run the filter",
  trafficextension: "makes the proxies load and run the filter",
};
