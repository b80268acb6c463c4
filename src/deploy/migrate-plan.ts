import type { ResolvedImage } from "../domain/resolved-image.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { adoption } from "./migrate-adopt.ts";
import { planOldCacheRemoval, planTakeOver } from "./migrate-cache.ts";
import { planDefinition } from "./migrate-definition.ts";
import { type FilterGroup, groupFilters } from "./migrate-groups.ts";
import type { HandedOver } from "./migrate-hand-over.ts";
import type { ImagesByFilter } from "./migrate-images.ts";
import { notesOn } from "./migrate-notes.ts";
import { planSettledNotices } from "./migrate-notices.ts";
import { isOldManaged } from "./migrate-old-names.ts";
import type { MigrateRequest } from "./migrate-request.ts";
import { planStrips } from "./migrate-strips.ts";
import type { PlacedFilter, Survey } from "./migrate-survey.ts";
import { viewWithoutOld } from "./migrate-view.ts";
import { changesOf, type DeleteChange, isWait, type Plan, refTitle, refTo, type Step } from "./plan.ts";
import { type DeployPlan, planDeploy } from "./plan-deploy.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { missingAccess, requireAccess } from "./require-access.ts";

/** An old filter, and what it becomes. */
export interface MigratedFilter {
  readonly filter: PlacedFilter;
  readonly image: ResolvedImage;
  readonly via: Via;
}

/** A plan to migrate. */
export interface MigrationPlan extends Plan {
  readonly filters: readonly MigratedFilter[];
  /** Filters that do nothing today, as far as is known, and will. */
  readonly turnedOn: readonly PlacedFilter[];
}

/**
 * Works out how the old objects become today's: the definition of FilterDeployment; room for today's node cache;
 * each filter deployed the way of today, complete and rolled out; only then the old EnvoyFilters, the old volumes in
 * annotations, and the old cache. What is missing of it from an earlier run that stopped is all that is left to do.
 * Changes nothing. Throws what `planDeploy` throws, and `KUBE_FORBIDDEN`.
 */
export async function planMigration(
  deps: ClusterDeps,
  request: MigrateRequest,
  found: { readonly survey: Survey; readonly images: ImagesByFilter; readonly handed: HandedOver },
): Promise<MigrationPlan> {
  const { survey, images, handed } = found;
  const usesOldCache = survey.cache.daemonSet !== undefined || survey.cache.standIn !== undefined;
  const groups = groupFilters(handed.own, images, { ...request, usesOldCache });
  const planned = await planGroups(deps, survey, groups);
  const today = todaysDaemonSet(survey, planned);
  const room = today === undefined ? [] : await planTakeOver(deps, survey.cache, request.cache.timeoutMs);
  const definition = await planDefinition(deps);
  const staying = [...survey.left.map(({ object }) => object), ...handed.waiting.map(({ old }) => old.object)];
  const removed = [...planned.flatMap((one) => one.removed), ...handed.done, ...orphaned(survey)];
  const strips = await planStrips(deps, survey, staying, request);
  const cacheStays = staying.length + (survey.elsewhere ?? 1) > 0;
  const successor = { daemonSet: today, settings: request.cache, force: request.forceConflicts };
  const cacheRemoval = cacheStays ? NO_REMOVAL : await removable(deps, survey, successor);
  const deploys = once(planned.flatMap(({ plan }) => plan.steps)).filter((step) => !isOldSpace(step, survey));
  const steps = [
    ...definition.steps,
    ...room,
    ...deploys.map((step) => asReplacement(step, planned)).flatMap((step) => withAdoption(deps, step, found)),
    ...(await planSettledNotices(deps, request.cache, survey.namespace)),
    ...removed,
    ...strips.edits,
    ...cacheRemoval.steps,
    ...(request.wait ? strips.waits : []),
  ];
  await requireAccess(deps, accessOf([...removed, ...strips.edits]));
  const migrated = planned.flatMap(({ group, plan }) =>
    group.filters.map((filter) => ({ filter, image: group.image, via: plan.via })),
  );
  const told = await notesOn(deps, {
    survey,
    handed,
    istiod: request.istiod,
    cacheStays,
    replaced: today !== undefined,
  });
  const plans = planned.map(({ plan }) => plan);
  return {
    filters: migrated,
    turnedOn: told.turnedOn,
    steps,
    notes: [
      ...new Set([
        ...plans.flatMap(({ notes }) => notes.flatMap((note) => noteOn(note, request))),
        ...definition.notes,
      ]),
      ...told.notes,
      ...strips.notes,
      ...cacheRemoval.notes,
    ],
    warnings: onceEach([...plans.flatMap(({ warnings }) => warnings), ...told.warnings, ...strips.warnings]),
  };
}

/** True of one deploy, not of the whole. */
const NO_RESTART = "no pod restarts";
/** What `deploy` says of a delivery that `migrate` has chosen. */
const ASKED_FOR = "delivery cache-http: asked for with --delivery";

function noteOn(note: string, { delivery }: MigrateRequest): readonly string[] {
  if (note === NO_RESTART) return [];
  return [note === ASKED_FOR && delivery === "auto" ? "delivery cache-http: there is an old node cache" : note];
}

const NO_REMOVAL = { steps: [], notes: [] } as const;

interface PlannedGroup {
  readonly group: FilterGroup;
  readonly plan: DeployPlan;
  /** The old EnvoyFilters that another kind of object replaces. */
  readonly removed: readonly DeleteChange[];
}

async function planGroups(
  deps: ClusterDeps,
  survey: Survey,
  groups: readonly FilterGroup[],
): Promise<readonly PlannedGroup[]> {
  const { namespace, name, daemonSet, parts, relabels } = survey.cache;
  const port = viewWithoutOld(deps.port, {
    gone: daemonSet === undefined ? [] : [{ kind: Kinds.daemonSet, namespace, name }],
    untried: relabels ? [{ kind: Kinds.namespace, name: namespace }] : [],
    replaced: survey.filters.map(({ old }) => refTo(Kinds.envoyFilter, old.object)),
    adopted: parts.map(({ kind, object }) => refTo(kind, object)),
  });
  const planned: PlannedGroup[] = [];
  for (const group of groups) {
    const plan = await planDeploy({ ...deps, port }, group.request, group.image);
    const written = new Set(changesOf(plan).map(({ ref }) => refTitle(ref)));
    const refs = group.filters.map(({ old }) => [refTo(Kinds.envoyFilter, old.object), old.object] as const);
    const removed = refs
      .filter(([ref]) => !written.has(refTitle(ref)))
      .map(([ref, before]): DeleteChange => {
        return { type: "delete", action: "delete", ref, before, reason: "today's object has taken its place" };
      });
    planned.push({ group, plan, removed });
  }
  return planned;
}

/** Today's cache where the old one was: one that is there, or that a deploy of this plan makes. */
function todaysDaemonSet({ cache }: Survey, planned: readonly PlannedGroup[]): KubeObject | undefined {
  const title = refTitle({ ...cache, kind: Kinds.daemonSet });
  const made = planned
    .flatMap(({ plan }) => changesOf(plan))
    .find(({ type, ref }) => type === "apply" && refTitle(ref) === title);
  return made?.after ?? cache.today;
}

/** Several deploys may warn of the same. */
function onceEach(warnings: Plan["warnings"]): Plan["warnings"] {
  return [...new Map(warnings.map((warning) => [warning.message, warning])).values()];
}

/** Several deploys often share the cache's objects and the workloads' mounts: said and done once. */
function once(steps: readonly Step[]): readonly Step[] {
  const seen = new Set<string>();
  return steps.filter((step) => {
    if (step.type === "mark" || isWait(step) || step.action === "unchanged") return true;
    const entry = "key" in step ? [step.key, "from" in step ? step.from : ""] : [];
    const what = [step.type, ...entry, ...(step.type === "edit" ? [step.edit] : [])];
    const key = JSON.stringify([refTitle(step.ref), what]);
    const first = !seen.has(key);
    seen.add(key);
    return first;
  });
}

/** The old cache's namespace becomes today's with the end of the old cache, not before. */
function isOldSpace(step: Step, { cache }: Survey): boolean {
  if (step.type !== "apply" || !cache.relabels) return false;
  return step.ref.kind === Kinds.namespace && step.ref.name === cache.namespace;
}

/** For planning the old EnvoyFilter was not there; what has its name writes over it. */
function asReplacement(step: Step, planned: readonly PlannedGroup[]): Step {
  if (step.type !== "apply" || step.ref.kind !== Kinds.envoyFilter) return step;
  const title = refTitle(step.ref);
  const old = planned
    .flatMap(({ group }) => group.filters)
    .find((filter) => refTitle(refTo(Kinds.envoyFilter, filter.old.object)) === title);
  if (old === undefined) return step;
  return { ...step, action: "update", before: old.old.object, reason: `${step.reason}, in place of the old filter` };
}

/** Before an apply writes over something of the old tool's, its fields become ours. */
function withAdoption(deps: ClusterDeps, step: Step, { survey }: { readonly survey: Survey }): readonly Step[] {
  if (step.type !== "apply") return [step];
  const title = refTitle(step.ref);
  const filters = survey.filters.map(({ old }) => ({ kind: Kinds.envoyFilter, object: old.object }));
  const old = [...filters, ...survey.cache.parts].find(({ kind, object }) => refTitle(refTo(kind, object)) === title);
  if (old === undefined || !isOldManaged(old.object)) return [step];
  return [adoption(step.ref, old.object, deps.port.fieldManager), step];
}

function orphaned({ orphans }: Survey): readonly DeleteChange[] {
  return orphans.map(({ object, workload }) => {
    const ref = refTo(Kinds.envoyFilter, object);
    return { type: "delete", action: "delete", ref, before: object, reason: `its workload ${workload} is gone` };
  });
}

/** The removal, as far as we may. */
async function removable(
  deps: ClusterDeps,
  { cache }: Survey,
  today: Parameters<typeof planOldCacheRemoval>[2],
): Promise<Pick<Plan, "steps" | "notes">> {
  const removal = await planOldCacheRemoval(deps, cache, today);
  const missing = await missingAccess(deps, accessOf(removal.steps));
  if (missing.length === 0) return removal;
  return { steps: [], notes: [`the old node cache ${cache.namespace}/${cache.name} stays: not allowed to delete it`] };
}

function accessOf(steps: readonly Step[]): readonly Access[] {
  return changesOf({ steps }).flatMap(({ type, ref }) => {
    const verbs = type === "delete" ? ["delete"] : ["get", "patch"];
    const { kind, namespace } = ref;
    return verbs.map((verb): Access => (namespace === undefined ? { verb, kind } : { verb, kind, namespace }));
  });
}
