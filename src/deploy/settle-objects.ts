import type { KubeObject } from "../kube/objects.ts";
import { inParallel } from "./in-parallel.ts";
import { isOurManager } from "./look-at-cache.ts";
import { type FilterObjects, objectsNamed } from "./our-objects.ts";
import { type ApplyChange, refTo } from "./plan.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { says } from "./same-object.ts";
import { settleApply } from "./settle-change.ts";
import { VIA_KIND } from "./via-kind.ts";

/** So many objects that are alike are tried; what the server says of these it would say of the rest. */
const SAMPLE = 16;

/** An object that is wanted. */
export interface FoundObject {
  readonly object: KubeObject;
  /** As it is; `undefined` when there is none. */
  readonly before: KubeObject | undefined;
  /** It was among those listed; what may not be listed is read one by one. */
  readonly listed: boolean;
}

/** The objects of one deploy as they are. What was listed before is not read again. */
export async function findObjects(
  deps: ClusterDeps,
  wanted: readonly KubeObject[],
  { found, via }: { readonly found: FilterObjects; readonly via: Via },
): Promise<readonly FoundObject[]> {
  const listed = found.byVia.get(via);
  if (listed === undefined) {
    return inParallel(wanted, async (object) => {
      const before = await deps.port.get(refTo(VIA_KIND[via], object), deps.signal);
      return { object, before, listed: false };
    });
  }
  const byName = objectsNamed(listed, wanted);
  return wanted.map((object) => ({ object, before: byName.get(object.metadata.name), listed: true }));
}

/**
 * Finds out what applying the objects of one deploy would do. They differ in names and labels only, so schema, admission,
 * RBAC and quota are found out with the first of them; each one that somebody else has written to is tried, since that
 * may conflict. With `all` every one is tried.
 */
export async function settleObjects(
  deps: ClusterDeps,
  there: readonly FoundObject[],
  how: { readonly via: Via; readonly force: boolean; readonly all: boolean },
): Promise<readonly ApplyChange[]> {
  const { via, force } = how;
  const base = { kind: VIA_KIND[via], reason: REASON[via], force };
  const alike = { create: 0, update: 0 };
  const planned = there.map(({ object, before, listed }) => {
    const seen = { before };
    if (!listed || (before !== undefined && (says(before, object) || isShared(before)))) {
      return { object, seen, tried: true };
    }
    const action = before === undefined ? "create" : "update";
    alike[action] += 1;
    return { object, seen, tried: how.all || alike[action] <= SAMPLE };
  });
  return inParallel(planned, ({ object, seen, tried }) =>
    settleApply(tried ? deps : { ...deps, trial: false }, { ...base, object, seen }),
  );
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
