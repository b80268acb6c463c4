import { type EventSink, ignoreEvents } from "../domain/events.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { KubePort } from "../kube/port.ts";
import { applyPlan } from "./apply-plan.ts";
import { examineImage } from "./check-image.ts";
import { groupFilters } from "./migrate-groups.ts";
import { type HandedOver, handOver } from "./migrate-hand-over.ts";
import { findImages, type ImageDeps, type ImagesByFilter } from "./migrate-images.ts";
import { type MigratedFilter, type MigrationPlan, planMigration } from "./migrate-plan.ts";
import type { MigrateRequest } from "./migrate-request.ts";
import { type Survey, surveyOldObjects } from "./migrate-survey.ts";
import { expectedOutcomes, type ObjectOutcome } from "./outcomes.ts";
import { changesOf } from "./plan.ts";
import { planDiff, planLines } from "./render-plan.ts";
import type { ClusterDeps, DeployDeps } from "./request.ts";
import { tryFilter } from "./try-filter.ts";

/** What migrating needs of the outside. */
export interface MigrateDeps extends Pick<DeployDeps, "connect" | "readModule" | "clock" | "signal">, ImageDeps {
  /** Asks a person for leave; `false` is no. */
  readonly confirm: (message: string) => Promise<boolean>;
}

/** What a migration did, or would do. */
export interface MigrateResult {
  /** `nothing`: there is nothing left to migrate. `declined`: the user said no, nothing was changed. */
  readonly mode: "applied" | "dry-run-server" | "dry-run-client" | "nothing" | "declined";
  /** The namespace looked at; `undefined` for all. */
  readonly namespace: string | undefined;
  /** The filters that were brought to today's form. */
  readonly filters: readonly MigratedFilter[];
  readonly outcomes: readonly ObjectOutcome[];
  /** Today's objects, to print (`dry-run-client`). */
  readonly objects: readonly KubeObject[];
  /** Unified diff of what would change (`dry-run-server`). */
  readonly diff: string;
}

/**
 * Turns what the old tool left in a cluster into today's objects: finds it, finds the images, plans, shows the plan,
 * asks, and carries it out. Whatever stopped it, the same again goes on from there. Throws what the plan and its steps
 * throw, `IMAGE_UNKNOWN` and `IMAGE_MISMATCH` before anything is changed.
 */
export async function migrate(
  deps: MigrateDeps,
  request: MigrateRequest,
  events: EventSink = ignoreEvents,
): Promise<MigrateResult> {
  const port = await deps.connect();
  try {
    const trial = request.dryRun !== "client";
    const cluster: ClusterDeps = { port, clock: deps.clock, events, signal: deps.signal, trial };
    const plan = await makePlan(deps, cluster, request);
    for (const warning of plan.warnings) events({ type: "warning", ...warning });
    const result = { ...resultBase(port, request), filters: plan.filters };
    if (changesOf(plan).every(({ action }) => action === "unchanged")) return sayNothing(result, plan, events);
    for (const message of planLines(plan)) events({ type: "milestone", message });
    if (request.dryRun === "client") return { ...result, mode: "dry-run-client", objects: newObjects(plan) };
    const expected = { outcomes: expectedOutcomes(plan), diff: await planDiff(plan) };
    if (request.dryRun === "server") return { ...result, ...expected, mode: "dry-run-server" };
    if (!(await deps.confirm(question(plan)))) return { ...result, mode: "declined" };
    const { outcomes } = await applyPlan(cluster, plan, { force: request.forceConflicts, waits: "block" });
    return { ...result, mode: "applied", outcomes };
  } finally {
    port.close();
  }
}

async function makePlan(deps: MigrateDeps, cluster: ClusterDeps, request: MigrateRequest): Promise<MigrationPlan> {
  const namespace = request.allNamespaces ? undefined : (request.namespace ?? cluster.port.namespace);
  const survey = await surveyOldObjects(cluster, { namespace, cache: request.cache });
  const handed = await handOver(cluster, survey);
  const images = await findImages(deps, { ...survey, filters: handed.own }, request.images, cluster.events);
  await tryModules(deps, cluster, { request, survey, handed, images });
  return await planMigration(cluster, request, { survey, images, handed });
}

/** Every module runs here once with its configuration before a proxy is told of it. */
async function tryModules(
  deps: MigrateDeps,
  cluster: ClusterDeps,
  found: {
    readonly request: MigrateRequest;
    readonly survey: Survey;
    readonly handed: HandedOver;
    readonly images: ImagesByFilter;
  },
): Promise<void> {
  const { request, handed, images } = found;
  const groups = groupFilters(handed.own, images, { ...request, usesOldCache: false });
  const tried = new Set<string>();
  for (const group of groups) {
    const { rootId } = examineImage(group.image, group.request);
    const key = JSON.stringify([group.image.moduleDigest, rootId, group.request.config]);
    if (tried.has(key)) continue;
    tried.add(key);
    await tryFilter(deps, { image: group.image, rootId, request: group.request }, cluster.events);
  }
}

function resultBase(
  port: KubePort,
  request: MigrateRequest,
): Pick<MigrateResult, "namespace" | "outcomes" | "objects" | "diff"> {
  const namespace = request.allNamespaces ? undefined : (request.namespace ?? port.namespace);
  return { namespace, outcomes: [], objects: [], diff: "" };
}

function sayNothing(result: Omit<MigrateResult, "mode">, plan: MigrationPlan, events: EventSink): MigrateResult {
  for (const message of plan.notes) events({ type: "milestone", message });
  const where = result.namespace === undefined ? "in any namespace" : `in namespace ${result.namespace}`;
  const more = result.namespace === undefined ? "" : "; -A looks in all namespaces";
  events({ type: "milestone", message: `nothing of the old wasme is to be migrated ${where}${more}` });
  return { ...result, mode: "nothing" };
}

/** What a GitOps folder would hold. */
function newObjects(plan: MigrationPlan): readonly KubeObject[] {
  return changesOf(plan).flatMap((change) => (change.type === "apply" ? [change.object] : []));
}

function question({ filters, turnedOn }: MigrationPlan): string {
  const what = `Migrate ${filters.length} ${filters.length === 1 ? "filter" : "filters"}`;
  if (filters.length === 0) return "Remove what the old wasme left?";
  if (turnedOn.length === 0) return `${what}?`;
  return `${what}, ${turnedOn.length} of which ${turnedOn.length === 1 ? "does" : "do"} nothing today and will?`;
}
