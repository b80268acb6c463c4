import { workloadTitle } from "../domain/workload.ts";
import { Kinds } from "../kube/kinds.ts";
import { listAt, stringAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import type { HandedOver } from "./migrate-hand-over.ts";
import { hasOldCache } from "./migrate-old-cache.ts";
import { openSpaceNote } from "./migrate-space.ts";
import type { PlacedFilter, Survey } from "./migrate-survey.ts";
import type { Plan } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { hasLabels } from "./select-workloads.ts";

/** What a migration should say beside its changes. */
export interface MigrationNotes extends Pick<Plan, "notes" | "warnings"> {
  readonly turnedOn: readonly PlacedFilter[];
}

/** Istio 1.19 dropped the names by which the old filters find their place. */
const DEAD_SINCE = 19;

/** Says what stays and why, and which filters will begin to work: those the control plane passes over today. */
export async function notesOn(
  deps: ClusterDeps,
  what: {
    readonly survey: Survey;
    readonly handed: HandedOver;
    readonly istiod: { readonly namespace: string; readonly name: string };
    readonly cacheStays: boolean;
    /** Today's node cache is in the place of the old one, or will be. */
    readonly replaced: boolean;
  },
): Promise<MigrationNotes> {
  const { survey, handed } = what;
  const dead = handed.own.filter(({ old }) => old.deadNames);
  const version = dead.length === 0 ? undefined : await istioVersion(deps, { kind: Kinds.deployment, ...what.istiod });
  const minor = Number(/^1\.(\d+)/u.exec(version ?? "")?.[1] ?? DEAD_SINCE);
  const turnedOn = minor >= DEAD_SINCE ? dead : [];
  return {
    turnedOn,
    notes: [...staying(survey, handed), ...(what.cacheStays ? cacheNotes(survey, what) : [])],
    warnings: [
      ...(turnedOn.length === 0 ? [] : [turnWarning(turnedOn, version)]),
      ...handed.own.flatMap((filter) => selectorWarning(filter)),
    ],
  };
}

function staying(survey: Survey, handed: HandedOver): readonly string[] {
  return [
    ...survey.left.map(({ object, why }) => `EnvoyFilter ${nameOf(object)} stays: ${why}`),
    ...handed.waiting.map(
      ({ old }) =>
        `EnvoyFilter ${nameOf(old.object)} stays until its FilterDeployment ${old.owner ?? ""} is ready: run wasme migrate again then`,
    ),
    ...handed.unattended.map(
      (one) => `FilterDeployment ${nameOf(one)} stays as it is: the operator takes it up once it is installed`,
    ),
  ];
}

function nameOf({ metadata }: { readonly metadata: { readonly name: string; readonly namespace?: string } }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function cacheNotes(survey: Survey, { replaced }: { readonly replaced: boolean }): readonly string[] {
  if (!hasOldCache(survey.cache)) return [];
  const open = replaced ? openSpaceNote(survey.cache) : undefined;
  return [cacheNote(survey), ...(open === undefined ? [] : [open])];
}

function cacheNote({ cache, elsewhere, left }: Survey): string {
  const title = `the old node cache ${cache.namespace}/${cache.name} stays`;
  if (elsewhere === undefined) return `${title}: not allowed to see whether other namespaces need it`;
  if (elsewhere === 1) return `${title}: 1 old filter in another namespace needs it; -A migrates it too`;
  if (elsewhere > 1) return `${title}: ${elsewhere} old filters in other namespaces need it; -A migrates them too`;
  return `${title}: ${left.map(({ object }) => nameOf(object)).join(", ") || "filters that stay"} need it`;
}

function turnWarning(turnedOn: readonly PlacedFilter[], version: string | undefined): Plan["warnings"][number] {
  const list = turnedOn.map(({ old, target }) => `${old.id} on ${old.namespace}/${target.workload.name}`).join(", ");
  const where = version === undefined ? "from Istio 1.19 on" : `on Istio ${version}`;
  return {
    message: `these filters match nothing ${where}, and migrating turns them on: ${list}`,
    hint: "look at them with --dry-run=server; delete the EnvoyFilters of those that are not to come back",
  };
}

function selectorWarning({ old, target }: PlacedFilter): Plan["warnings"] {
  const { workload } = target;
  if (hasLabels(workload.podLabels, old.selector)) return [];
  const message = `filter ${old.id} selects no pod of ${workloadTitle(workload)} any more, whose labels have changed: migrating puts it on them again`;
  return [{ message }];
}

/** The tag of istiod's image, if we may see it and it has one. */
async function istioVersion(deps: ClusterDeps, ref: ObjectRef): Promise<string | undefined> {
  const istiod = await deniedAsUndefined(deps.port.get(ref, deps.signal));
  const containers = listAt(istiod, "spec", "template", "spec", "containers");
  const image = stringAt(containers.find((one) => stringAt(one, "name") === "discovery") ?? containers[0], "image");
  return /:(1\.\d+[^@/]*)(?:@|$)/u.exec(image ?? "")?.[1];
}
