import { parseFilterDeployment } from "../domain/filter-deployment.ts";
import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_LABEL, IMAGE_DIGEST_ANNOTATION, workloadLabel } from "../mesh/names.ts";
import { installCommand, podsCommand } from "./cache-options.ts";
import type { CacheName } from "./cache-name.ts";
import { INSTALL_OPERATOR } from "./install-operator.ts";
import { VIAS } from "./request.ts";
import { failed, ok, type StatusStep, unseen, waiting } from "./status-step.ts";
import { cacheOfOperator, LOOK_FOR_OPERATOR, operatorTrouble } from "./status-operators.ts";
import type { Sight } from "./status-survey.ts";
import { VIA_KIND } from "./via-kind.ts";

/** The FilterDeployments, and the operators that are to carry them out. */
export interface Wishes {
  readonly all: Sight<readonly KubeObject[]>;
  readonly operators: Sight<readonly KubeObject[]>;
  /** True when the cluster does not serve their kind. */
  readonly unserved?: boolean;
}

/**
 * The step `operator` of a FilterDeployment, or of an object made for one; `undefined` for what somebody deployed by hand.
 */
export function operatorStep(object: KubeObject, { all: wishes, operators }: Wishes): StatusStep | undefined {
  const isWish = object.kind === Kinds.filterDeployment.kind;
  const label = object.metadata.labels?.[FILTER_DEPLOYMENT_LABEL];
  if (!isWish && label === undefined) return undefined;
  if ("denied" in wishes) return unseen("operator", wishes.denied);
  const { namespace = "" } = object.metadata;
  const wish = isWish
    ? object
    : wishes.seen.find(({ metadata }) => metadata.namespace === namespace && workloadLabel(metadata.name) === label);
  if (wish === undefined) {
    const fix = `kubectl get filterdeployment -n ${namespace}; the cluster's garbage collector takes the object away`;
    return waiting("operator", `its FilterDeployment ${label ?? ""} is gone`, fix);
  }
  const cache = cacheOfOperator(operators, namespace);
  const step = isWish ? stepOf(wish, cache) : (staleStep(wish, object, cache) ?? stepOf(wish, cache));
  return step.state === "waiting" ? stalled(step, wish, operators) : step;
}

/** What is under way goes on only where somebody is at it. */
function stalled(step: StatusStep, wish: KubeObject, operators: Wishes["operators"]): StatusStep {
  const trouble = operatorTrouble(operators, wish.metadata.namespace ?? "");
  if (trouble === undefined || (trouble.unknown === true && isObserved(wish))) return step;
  return failed(step.name, `${step.message}, and ${trouble.why}`, trouble.fix);
}

/**
 * The step `object` of a FilterDeployment that says it is carried out, for a workload on which nothing of it is seen: what was
 * made is gone, or was made since we looked.
 */
export function goneStep(
  wish: KubeObject,
  title: string | undefined,
  { operators }: Pick<Wishes, "operators">,
): StatusStep {
  const via = VIAS.find((one) => one === stringAt(wish, "status", "via"));
  const what = via === undefined ? "the Istio object" : `the ${VIA_KIND[via].kind}`;
  const message = title === undefined ? `${what} is not there` : `${what} for ${title} is not there`;
  return stalled(
    waiting("object", message, `the operator makes it again by itself; ${LOOK_FOR_OPERATOR}`),
    wish,
    operators,
  );
}

/** True when an operator has said how far it is, wherever it runs. */
function isObserved({ metadata, ...wish }: KubeObject): boolean {
  const current =
    numberAt(wish, ["status", "observedGeneration"]) >= numberAt({ metadata }, ["metadata", "generation"]);
  return current && metadata.deletionTimestamp === undefined;
}

/** The command to change the FilterDeployment an object is made for; `undefined` for what somebody deployed by hand. */
export function editCommand({ metadata }: KubeObject): string | undefined {
  const { kind } = Kinds.filterDeployment;
  const owner = listAt(metadata, "ownerReferences").find((one) => stringAt(one, "kind") === kind);
  const name = stringAt(owner, "name");
  return name === undefined ? undefined : `kubectl edit filterdeployment ${name} -n ${metadata.namespace ?? ""}`;
}

/** How the filter of an object is delivered without a volume. */
export function withoutVolume(object: KubeObject): string {
  const edit = editCommand(object);
  return edit === undefined
    ? "deploy again with --delivery cache-http: it needs no volume"
    : `write spec.deployment.istio.delivery: cache-http, which needs no volume: ${edit}`;
}

/** The filter's id that a FilterDeployment asks for. */
export function ownFilterId(wish: KubeObject): string {
  return stringAt(wish, "status", "filter") ?? parseFilterDeployment(wish).spec?.id ?? wish.metadata.name;
}

function stepOf(wish: KubeObject, cache: CacheName | undefined): StatusStep {
  const title = `FilterDeployment ${wish.metadata.name}`;
  const ready = listAt(wish, "status", "conditions").find((one) => isObject(one) && one["type"] === "Ready");
  const observed = numberAt(wish, ["status", "observedGeneration"]);
  if (wish.metadata.deletionTimestamp !== undefined && stringAt(ready, "reason") !== "CannotRemove") {
    return waiting("operator", `${title} is being deleted: what was made for it goes first`, lookAt(wish.metadata));
  }
  if (ready === undefined || observed < numberAt(wish, ["metadata", "generation"])) {
    const what = ready === undefined ? title : `the last change of ${title}`;
    return waiting("operator", `no operator has looked at ${what} yet`, LOOK_FOR_OPERATOR);
  }
  return toldStep(wish, ready, cache);
}

/** What the operator says itself. */
function toldStep(wish: KubeObject, ready: unknown, cache: CacheName | undefined): StatusStep {
  const { name, namespace = "" } = wish.metadata;
  const title = `FilterDeployment ${name}`;
  const [state, reason = ""] = [stringAt(ready, "status"), stringAt(ready, "reason")];
  if (state === "True") return ok("operator", `${title} is carried out`);
  const why = stringAt(ready, "message") ?? (reason === "" ? "not ready" : reason);
  const message = `${title}: ${why}${keepsOld(wish) ? "; the filter as it was deployed before stays" : ""}`;
  const edit = `kubectl edit filterdeployment ${name} -n ${namespace}`;
  const fix =
    FIXES[reason]?.({ cache, namespace, why }) ?? (FAULTS_OF_OBJECT.has(reason) ? edit : lookAt(wish.metadata));
  if (state !== "False" || reason.startsWith("Waiting")) return waiting("operator", message, fix);
  return failed("operator", message, fix);
}

/** True when an update was refused, and what it was to replace runs on. */
function keepsOld(wish: KubeObject): boolean {
  return listAt(wish, "status", "conditions").some(
    (one) => stringAt(one, "reason") === "OldFilterStays" && stringAt(one, "status") === "True",
  );
}

function lookAt({ name, namespace = "" }: KubeObject["metadata"]): string {
  return `kubectl describe filterdeployment ${name} -n ${namespace}`;
}

/** Which namespace it is about, and the cache that its operator goes by. */
interface Where {
  readonly cache: CacheName | undefined;
  readonly namespace: string;
  /** What the operator says. */
  readonly why: string;
}

/** What is missing beside the object. */
const FIXES: Readonly<Record<string, (where: Where) => string>> = {
  CacheNotInstalled: ({ cache }) => `${installCommand(cache)}; or ask for delivery registry in the FilterDeployment`,
  CacheWithoutFiles: ({ cache }) =>
    `${installCommand(cache, " --files")}; or ask for delivery cache-http in the FilterDeployment`,
  WaitingForNodes: ({ cache }) => podsCommand(cache),
  ModuleUnavailable: ({ cache }) => podsCommand(cache),
  WaitingForRollout: ({ namespace }) => `kubectl get pods -n ${namespace}`,
  PullSecretUnusable: () => "correct that Secret; the operator reads it again by itself",
  Failed: () => "correct what it names; the operator tries again by itself",
  RefusedByCluster: () => "correct what refuses it (a policy, a webhook, a quota); the operator tries again by itself",
  RegistryUnreachable: () =>
    "the operator asks again by itself: is the registry up, and reached from the operator's pod?",
  Forbidden: ({ cache, why }) => {
    const isOfCache = cache !== undefined && why.includes(`in namespace ${JSON.stringify(cache.namespace)}`);
    const first = isOfCache ? `; where that namespace is gone, first ${installCommand(cache)}` : "";
    return `give the operator that right: ${INSTALL_OPERATOR}, with the options it was installed with${first}`;
  },
  KindNotServed: () => "is Istio installed, in a version that has it? kubectl api-resources | grep istio.io",
};

/** Reasons whose message says what to write into the object; a look at it would tell no more. */
const FAULTS_OF_OBJECT: ReadonlySet<string> = new Set([
  "InvalidSpec",
  "IdTaken",
  "ImageNotFound",
  "ImageUnusable",
  "RegistryDenied",
  "ModuleRefused",
  "NoWorkloads",
  "Refused",
]);

/** An update that is under way: the object still has the digest of before. */
function staleStep(wish: KubeObject, object: KubeObject, cache: CacheName | undefined): StatusStep | undefined {
  const wanted = /@(sha(?:256|512):[0-9a-f]+)$/u.exec(stringAt(wish, "status", "image") ?? "")?.[1];
  const has = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION];
  if (wanted === undefined || has === undefined || wanted === has) return undefined;
  const step = stepOf(wish, cache);
  if (step.state === "failed") return step;
  const message = `FilterDeployment ${wish.metadata.name} wants ${wanted}, the proxies are told of ${has} until that is ready`;
  return waiting("operator", message, lookAt(wish.metadata));
}
