import { digestParts, isDigest } from "../domain/digest.ts";
import { isObject } from "../domain/json.ts";
import { type WorkloadKind, WORKLOAD_KINDS } from "../domain/workload.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import {
  FILTER_DEPLOYMENT_LABEL,
  FILTER_LABEL,
  IMAGE_ANNOTATION,
  IMAGE_DIGEST_ANNOTATION,
  MODULE_DIGEST_ANNOTATION,
  WORKLOAD_KIND_LABEL,
  WORKLOAD_LABEL,
  workloadLabel,
} from "../mesh/names.ts";
import { cacheOptions } from "./cache-options.ts";
import { cacheUseOf, deliveryOf, type OurObject } from "./our-objects.ts";
import { cacheOf } from "./cache-name.ts";
import { hasProxy } from "./pods.ts";
import type { Via } from "./request.ts";
import { hasLabels, labelText } from "./select-workloads.ts";
import { cacheSteps } from "./status-cache.ts";
import { goingStep } from "./status-namespace.ts";
import { operatorStep, type Wishes } from "./status-operator.ts";
import { LOOK_FOR_OPERATOR } from "./status-operators.ts";
import { type PodQuestion, selectedPods, sidecarStep, volumeSteps } from "./status-pods.ts";
import { type ProxyDeps, proxySteps } from "./status-proxies.ts";
import { failed, type FilterStatus, ok, stateOf, type StatusStep, unseen } from "./status-step.ts";
import type { Sight, Survey } from "./status-survey.ts";
import { VIA_KIND } from "./via-kind.ts";

/** What the state of one filter is told from. */
export interface Surroundings {
  readonly labels: Readonly<Record<string, string>>;
  /** Asks the proxies, too. */
  readonly explain: boolean;
  readonly seen: Survey;
  readonly wishes: Wishes;
  readonly now: number;
}

/** How one filter on one workload does; `undefined` for a workload without the labels that were asked for. */
export async function statusOf(
  deps: ProxyDeps,
  one: OurObject,
  around: Surroundings,
): Promise<FilterStatus | undefined> {
  const { object, via } = one;
  const found = findWorkload(object, around.seen);
  if ("seen" in found.all && !hasLabels(found.workload?.metadata.labels ?? {}, around.labels)) return undefined;
  const again = againFor(one, found);
  const question = podQuestion(object, found, { seen: around.seen, again });
  const cached = cachePart(question, { object, seen: around.seen, now: around.now, again });
  const asked = around.explain && question !== undefined ? await proxySteps(deps, question) : NOT_ASKED;
  const steps = [
    ...groundSteps(object, found, around),
    ...cached.steps,
    ...(question === undefined ? [] : volumeSteps(question)),
    objectStep(object, via, again),
    ...(question === undefined ? [] : [sidecarStep(question)]),
    ...asked.steps,
  ];
  const { id, namespace, title } = found;
  const { nodes } = cached;
  const { proxies } = asked;
  return { id, namespace, workload: title, ...factsOf(one), state: stateOf(steps), steps, nodes, proxies };
}

/** The steps `operator` and `workload`; that the namespace is going comes before all. */
function groundSteps(
  object: KubeObject,
  found: FoundWorkload,
  { seen, wishes }: Pick<Surroundings, "seen" | "wishes">,
): readonly StatusStep[] {
  const space = seen.spaces.get(found.namespace);
  const going = space === undefined ? undefined : goingStep(space.live, wishes);
  const steps = [going, operatorStep(object, wishes), going === undefined ? workloadStep(found) : undefined];
  return steps.filter((step) => step !== undefined);
}

/** What the object itself says. */
function factsOf({
  object,
  via,
}: OurObject): Pick<FilterStatus, "object" | "via" | "delivery" | "image" | "moduleDigest" | "filterDeployment"> {
  const annotations = object.metadata.annotations ?? {};
  return {
    object: `${object.kind}/${object.metadata.name}`,
    via,
    delivery: deliveryOf(object),
    image: annotations[IMAGE_ANNOTATION],
    moduleDigest: annotations[MODULE_DIGEST_ANNOTATION],
    filterDeployment: object.metadata.labels?.[FILTER_DEPLOYMENT_LABEL],
  };
}

/** What the steps of pods are told from; `undefined` when the workload is gone, or may not be seen. */
function podQuestion(
  object: KubeObject,
  { workload, title, namespace }: FoundWorkload,
  { seen, again }: { readonly seen: Survey; readonly again: string },
): PodQuestion | undefined {
  const space = seen.spaces.get(namespace);
  if (workload === undefined || space === undefined) return undefined;
  return { object, workload, title, namespace, space, again };
}

const NOT_ASKED = { steps: [], proxies: [] } as const;

/** The workload an object is for. */
interface FoundWorkload {
  readonly id: string;
  readonly namespace: string;
  readonly kind: WorkloadKind;
  /** `deployment/web`. */
  readonly title: string;
  readonly workload: KubeObject | undefined;
  readonly all: Sight<readonly KubeObject[]>;
}

function findWorkload(object: KubeObject, seen: Survey): FoundWorkload {
  const labels = object.metadata.labels ?? {};
  const namespace = object.metadata.namespace ?? "";
  const kind = WORKLOAD_KINDS.find((one) => one.toLowerCase() === labels[WORKLOAD_KIND_LABEL]) ?? "Deployment";
  const all = seen.spaces.get(namespace)?.workloads.get(kind) ?? { seen: [] };
  const label = labels[WORKLOAD_LABEL] ?? "";
  const list = "seen" in all ? all.seen : [];
  const workload = list.find(({ metadata }) => workloadLabel(metadata.name) === label);
  const title = `${kind.toLowerCase()}/${workload?.metadata.name ?? label}`;
  return { id: labels[FILTER_LABEL] ?? "", namespace, kind, title, workload, all };
}

function cachePart(
  question: PodQuestion | undefined,
  {
    object,
    seen,
    now,
    again,
  }: Pick<Surroundings, "seen" | "now"> & { readonly object: KubeObject; readonly again: string },
): Pick<FilterStatus, "steps" | "nodes"> {
  const title = cacheUseOf(object)?.cache;
  const cache = title === undefined ? undefined : seen.caches.get(title);
  if (title === undefined || cache === undefined) return { steps: [], nodes: [] };
  const pods = question !== undefined && "seen" in question.space.pods ? question.space.pods.seen : [];
  const proxied = selectedPods(object, pods).filter(hasProxy);
  const askers = new Set(
    proxied.flatMap((pod) => stringAt(pod, "spec", "nodeName") ?? []).filter((node) => node !== ""),
  );
  return cacheSteps({ object, title, cache, askers, now, again });
}

function workloadStep({ all, workload, title, namespace, id }: FoundWorkload): StatusStep {
  if ("denied" in all) return unseen("workload", all.denied);
  if (workload !== undefined) return ok("workload", `${title} is there`);
  const fix = `wasme undeploy istio --id ${id} -n ${namespace} takes away what is left`;
  return failed("workload", `there is no ${title} any more`, fix);
}

/** Somebody may have changed the object: it has to name the digest that its annotations want. */
function objectStep(object: KubeObject, via: Via, again: string): StatusStep {
  const { kind } = VIA_KIND[via];
  const byModule = deliveryOf(object) === "cache-http" || deliveryOf(object) === "cache-file";
  const digest = object.metadata.annotations?.[byModule ? MODULE_DIGEST_ANNOTATION : IMAGE_DIGEST_ANNOTATION] ?? "";
  const name = `${kind}/${object.metadata.name}`;
  const stored = JSON.stringify(object["spec"] ?? {});
  if (isDigest(digest) && stored.includes(digestParts(digest).hex)) return ok("object", `${name} names the digest`);
  return failed("object", `${name} does not name ${digest}: somebody changed it`, `${again} --force-conflicts`);
}

/**
 * How a filter is brought about anew. What it was configured with is not all told by its object, so the command is only the
 * beginning of the one that made it; with all labels of the workload, it reaches no other than that one did. What the operator
 * made it makes again by itself.
 */
function againFor({ object, via }: OurObject, { namespace, kind, id, workload }: FoundWorkload): string {
  const owner = listAt(object, "metadata", "ownerReferences").find(
    (one) => isObject(one) && one["kind"] === Kinds.filterDeployment.kind,
  );
  if (owner !== undefined) {
    return `the operator mends that by itself; ${LOOK_FOR_OPERATOR}`;
  }
  const image = object.metadata.annotations?.[IMAGE_ANNOTATION] ?? "IMAGE";
  const labels = labelText(workload?.metadata.labels ?? {});
  const which = labels === "" ? "" : ` -l ${labels}`;
  const type = kind === "Deployment" ? "" : ` -t ${kind.toLowerCase()}`;
  const use = cacheUseOf(object);
  const from = use === undefined ? "" : cacheOptions(cacheOf(use.cache));
  const command = `wasme deploy istio ${image} --id ${id} -n ${namespace}${which}${type}`;
  return `deploy it again as before, with its --config and other options: ${command} --via ${via} --delivery ${deliveryOf(object)}${from}`;
}
