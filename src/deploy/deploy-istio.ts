import type { Delivery } from "../domain/delivery.ts";
import type { Digest } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { ImageSource, ResolvedImage } from "../domain/resolved-image.ts";
import type { KubeObject } from "../kube/objects.ts";
import { checkFilterId } from "../mesh/names.ts";
import { applyPlan } from "./apply-plan.ts";
import { examineImage } from "./check-image.ts";
import { chooseVia } from "./choose-via.ts";
import { printWithoutCluster } from "./client-dry-run.ts";
import { findImage } from "./find-image.ts";
import { editManifests, selectFromManifests } from "./from-manifests.ts";
import { expectedOutcomes, type ObjectOutcome } from "./outcomes.ts";
import { headNotes } from "./deploy-remarks.ts";
import { filterOf, planDeploy } from "./plan-deploy.ts";
import { readManifests } from "./read-manifests.ts";
import { mountObstacle } from "./read-namespace.ts";
import { planDiff, planLines } from "./render-plan.ts";
import type { DeployDeps, DeployRequest, Via } from "./request.ts";
import { tryFilter } from "./try-filter.ts";

/** What a deploy did, or would do. */
export interface DeployResult {
  readonly mode: "applied" | "dry-run-server" | "dry-run-client" | "manifests";
  readonly id: string;
  readonly via: Via;
  readonly delivery: Delivery;
  /** `undefined` when no cluster and no flag named one. */
  readonly namespace: string | undefined;
  readonly reference: ImageReference;
  readonly source: ImageSource;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** What became of each object (`applied`), or would (`dry-run-server`). */
  readonly outcomes: readonly ObjectOutcome[];
  /** To print, fit for `kubectl apply -f -` (`dry-run-client`, `manifests`). */
  readonly objects: readonly KubeObject[];
  /** Unified diff of what would change (`dry-run-server`); empty when nothing would. */
  readonly diff: string;
}

/**
 * Deploys a filter to Istio: checks arguments, then files, then the image, which is run here first with the very
 * configuration, then the cluster; plans; tells the plan; and carries it out. Throws before anything is changed unless a step of the plan itself fails.
 */
export async function deployIstio(
  deps: DeployDeps,
  request: DeployRequest,
  events: EventSink = ignoreEvents,
): Promise<DeployResult> {
  checkRequest(request);
  const manifests = await readManifests(deps, request.manifests);
  const targets = manifests.length === 0 ? [] : selectFromManifests(manifests, request.workloads);
  if (request.dryRun !== "client" && manifests.length === 0) return await deployToCluster(deps, request, events);
  const image = await findImage(deps, request.image, request.dryRun === "client" ? "store" : "registry");
  const findings = examineImage(image, request);
  await tryFilter(deps, { image, rootId: findings.rootId, request }, events);
  const filter = filterOf(request, findings.rootId);
  const noMount = mountObstacle(request.patchContext, targets);
  const choice = chooseVia({ ...request, requested: request.via, image, ...NO_CLUSTER, noMount });
  refuseSecretCopy(request, choice.delivery);
  const settings = { ...request, via: choice.via, delivery: choice.delivery, filter, image };
  const printed =
    manifests.length === 0
      ? printWithoutCluster(request.workloads, settings)
      : editManifests(manifests, targets, settings);
  const notes = [...headNotes(request, filter, { image, choice }), ...findings.notes, ...printed.notes];
  for (const message of notes) events({ type: "milestone", message });
  const mode = manifests.length === 0 ? "dry-run-client" : "manifests";
  const base = resultBase(request, image, choice);
  return { ...base, mode, namespace: request.workloads.namespace, outcomes: [], objects: printed.objects, diff: "" };
}

async function deployToCluster(deps: DeployDeps, request: DeployRequest, events: EventSink): Promise<DeployResult> {
  // Opening reads the kubeconfig and asks nothing: a missing file is said before the registry is waited for.
  const port = await deps.connect();
  try {
    const image = await findImage(deps, request.image, "registry");
    const { rootId } = examineImage(image, request);
    await tryFilter(deps, { image, rootId, request }, events);
    const { clock, signal, cacheRestMs } = deps;
    const cluster = { port, clock, events, signal, cacheRestMs };
    const plan = await planDeploy(cluster, request, image);
    for (const warning of plan.warnings) events({ type: "warning", ...warning });
    for (const message of planLines(plan)) events({ type: "milestone", message });
    const base = { ...resultBase(request, image, plan), namespace: plan.namespace, objects: [] };
    if (request.dryRun === "server") {
      return { ...base, mode: "dry-run-server", outcomes: expectedOutcomes(plan), diff: await planDiff(plan) };
    }
    const undeploy = `wasme undeploy istio --id ${request.id} -n ${plan.namespace} …`;
    const undo = `take the filter off: ${undeploy} (with the same -l, -t and --context)`;
    const { outcomes } = await applyPlan(cluster, plan, { force: request.forceConflicts, waits: "block", undo });
    return { ...base, mode: "applied", outcomes, diff: "" };
  } finally {
    port.close();
  }
}

/** What is wrong with the arguments alone: found before any file, registry or cluster is touched. */
function checkRequest(request: DeployRequest): void {
  checkFilterId(request.id);
  if (request.manifests.length > 0 && request.dryRun === "server") {
    throw usageError(
      "OPTIONS_CONFLICT",
      "-f takes workloads from manifests, so there is no cluster for --dry-run=server",
      {
        hint: "leave one of the two out",
      },
    );
  }
  if (request.via === "auto") return;
  chooseVia({ ...request, requested: request.via, image: undefined, ...NO_CLUSTER });
}

/** Credentials are copied to the cache from the cluster's Secret: without a cluster there is none to copy. */
function refuseSecretCopy({ pullSecret }: DeployRequest, delivery: Delivery): void {
  if (pullSecret === undefined || delivery === "registry") return;
  const message = `with --delivery ${delivery} the credentials of --pull-secret are copied from the cluster, and none is asked`;
  throw usageError("OPTIONS_CONFLICT", message, {
    hint: "leave --pull-secret out and give the node cache the credentials (wasme cache manifests --help)",
  });
}

function resultBase(
  request: DeployRequest,
  image: ResolvedImage,
  { via, delivery }: { readonly via: Via; readonly delivery: Delivery },
): Pick<DeployResult, "id" | "via" | "delivery" | "reference" | "source" | "manifestDigest" | "moduleDigest"> {
  const { reference, source, manifestDigest, moduleDigest } = image;
  return { id: request.id, via, delivery, reference, source, manifestDigest, moduleDigest };
}

/** What only a cluster could tell. */
const NO_CLUSTER = { served: undefined, noFiles: undefined, cache: undefined } as const;
