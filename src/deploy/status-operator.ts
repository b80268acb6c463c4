import { parseFilterDeployment } from "../domain/filter-deployment.ts";
import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_LABEL, IMAGE_DIGEST_ANNOTATION, workloadLabel } from "../mesh/names.ts";
import { failed, ok, type StatusStep, unseen, waiting } from "./status-step.ts";
import type { Sight } from "./status-survey.ts";

/**
 * The step `operator` of a FilterDeployment, or of an object made for one; `undefined` for what somebody deployed by hand.
 */
export function operatorStep(object: KubeObject, wishes: Sight<readonly KubeObject[]>): StatusStep | undefined {
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
  return isWish ? stepOf(wish) : (staleStep(wish, object) ?? stepOf(wish));
}

/** The filter's id that a FilterDeployment asks for. */
export function ownFilterId(wish: KubeObject): string {
  return stringAt(wish, "status", "filter") ?? parseFilterDeployment(wish).spec?.id ?? wish.metadata.name;
}

function stepOf(wish: KubeObject): StatusStep {
  const { name, namespace = "" } = wish.metadata;
  const title = `FilterDeployment ${name}`;
  const look = `kubectl describe filterdeployment ${name} -n ${namespace}`;
  const conditions = listAt(wish, "status", "conditions").filter(isObject);
  const ready = conditions.find((one) => one["type"] === "Ready");
  const observed = numberAt(wish, ["status", "observedGeneration"]);
  if (ready === undefined || observed < numberAt(wish, ["metadata", "generation"])) {
    return waiting(
      "operator",
      `no operator has looked at ${title} yet`,
      `is one running? wasme operator manifests | kubectl apply -f -`,
    );
  }
  if (ready["status"] === "True") return ok("operator", `${title} is carried out`);
  const reason = stringAt(ready, "reason") ?? "";
  const message = `${title}: ${stringAt(ready, "message") ?? (reason === "" ? "not ready" : reason)}`;
  const underWay = ready["status"] !== "False" || reason.startsWith("Waiting");
  if (underWay) return waiting("operator", message, look);
  const edit = `kubectl edit filterdeployment ${name} -n ${namespace}`;
  return failed("operator", message, FAULTS_OF_OBJECT.has(reason) ? edit : look);
}

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
function staleStep(wish: KubeObject, object: KubeObject): StatusStep | undefined {
  const wanted = /@(sha(?:256|512):[0-9a-f]+)$/u.exec(stringAt(wish, "status", "image") ?? "")?.[1];
  const has = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION];
  if (wanted === undefined || has === undefined || wanted === has) return undefined;
  const step = stepOf(wish);
  if (step.state === "failed") return step;
  const { name, namespace = "" } = wish.metadata;
  const message = `FilterDeployment ${name} wants ${wanted}, the proxies are told of ${has} until that is ready`;
  return waiting("operator", message, `kubectl describe filterdeployment ${name} -n ${namespace}`);
}
