import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { buildCacheObjects, type CacheSettings } from "../mesh/cache-objects.ts";
import { applyMergePatch } from "./edit-workload.ts";
import { type OldCache, POD_SECURITY } from "./migrate-old-cache.ts";
import { type ApplyChange, refTo, type TouchChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { missingAccess } from "./require-access.ts";
import { settleApply } from "./settle-change.ts";

/**
 * Lets pods of the old program start, which reads a directory of the node: the level of Pod Security that forbids it goes,
 * and today's is set when the old program has gone ({@link planSpace}). It is there where today's objects were applied over
 * the old ones. Throws `OLD_CACHE_RESTRICTED` (incompatible) where the label is not ours to change.
 */
export async function planLift(deps: ClusterDeps, cache: OldCache): Promise<readonly TouchChange[]> {
  const { space, relabels } = cache;
  const level = space === undefined ? undefined : forbidding(space);
  if (space === undefined || level === undefined) return [];
  const ref = refTo(Kinds.namespace, space);
  if (!relabels || !(await mayRelabel(deps, space))) throw restricted(cache, level);
  const touch: TouchChange["touch"] = (live) => (forbidding(live) === undefined ? undefined : LIFT);
  const reason = `drops pod security "${level}", under which the old node cache cannot start, until that is gone`;
  return [{ type: "touch", action: "update", ref, touch, reason, before: space, after: lifted(space) }];
}

/** The namespace as today's cache has it: not before the end of the old program, whose pods could not start under it. */
export async function planSpace(
  deps: ClusterDeps,
  { space, relabels }: OldCache,
  { settings, force }: { readonly settings: CacheSettings; readonly force: boolean },
): Promise<readonly ApplyChange[]> {
  const kind = Kinds.namespace;
  const object = buildCacheObjects(settings).find((one) => one.kind === kind.kind);
  if (space === undefined || !relabels || object === undefined) return [];
  if (!(await mayRelabel(deps, space))) return [];
  // Tried on the server it would be warned of the pods of the old program, which are gone by then. A conflict is only
  // possible over what is there already.
  const before = lifted(space);
  const there = before.metadata.labels ?? {};
  const differs = Object.entries(object.metadata.labels ?? {}).some(([key, value]) => (there[key] ?? value) !== value);
  const reason = "holds today's node cache alone from now on";
  const wanted = { kind, object, reason, force, seen: { before } };
  if (differs) return [await settleApply(deps, wanted)];
  // What others wrote into it stays, which nobody but the server would say.
  const change = await settleApply({ ...deps, trial: false }, wanted);
  return [{ ...change, after: applyMergePatch(before, object) as KubeObject }];
}

/** That nothing restricts the pods of the namespace while the old program is in it; `undefined` where it has its label. */
export function openSpaceNote({ namespace, space, relabels }: OldCache): string | undefined {
  if (space === undefined || !relabels || lifted(space).metadata.labels?.[POD_SECURITY] !== undefined) return undefined;
  return `namespace ${JSON.stringify(namespace)} has no label ${POD_SECURITY} until the old node cache goes, which could not start under today's: the run of wasme migrate that takes it away sets it`;
}

/** The same for taking the label off and for setting it: who may do one may do the other. */
async function mayRelabel(deps: ClusterDeps, { metadata: { name } }: KubeObject): Promise<boolean> {
  const rights = ["get", "patch"].map((verb) => ({ verb, kind: Kinds.namespace, name }));
  return (await missingAccess(deps, rights)).length === 0;
}

const LIFT = { metadata: { labels: { [POD_SECURITY]: null } } };

/** The level at which the old program cannot start, if the namespace has it. */
function forbidding({ metadata }: KubeObject): string | undefined {
  const level = metadata.labels?.[POD_SECURITY];
  return level === "baseline" || level === "restricted" ? level : undefined;
}

/** The namespace once {@link planLift} is carried out. */
function lifted(space: KubeObject): KubeObject {
  return forbidding(space) === undefined ? space : (applyMergePatch(space, LIFT) as KubeObject);
}

function restricted({ namespace, name }: OldCache, level: string): WasmeError {
  const message = `namespace ${JSON.stringify(namespace)} enforces pod security ${JSON.stringify(level)}, under which the old node cache ${name} cannot run on until today's has taken its place`;
  return new WasmeError("incompatible", "OLD_CACHE_RESTRICTED", message, {
    hint: `kubectl label namespace ${namespace} ${POD_SECURITY}-; then run wasme migrate again`,
  });
}
