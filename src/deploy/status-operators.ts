import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";
import type { CacheName } from "./cache-name.ts";
import { INSTALL_KIND, INSTALL_OPERATOR } from "./install-operator.ts";
import type { ClusterDeps } from "./request.ts";
import { list, type Sight } from "./status-survey.ts";

/** Why no operator looks after a namespace, and what to do. */
export interface OperatorTrouble {
  /** As the rest of a sentence: `no operator is installed`. */
  readonly why: string;
  readonly fix: string;
  /** One may run where we do not look: from a terminal, or under other labels. */
  readonly unknown?: boolean;
}

const LABEL = "app.kubernetes.io/name=wasme-operator";

/** What to type to see whether one runs. */
export const LOOK_FOR_OPERATOR: string = `is an operator running? kubectl get deployments -A -l ${LABEL}`;

/** The operators' Deployments, wherever they are. */
export function readOperators(deps: ClusterDeps): Promise<Sight<readonly KubeObject[]>> {
  return list(deps, { kind: Kinds.deployment, labelSelector: LABEL });
}

/** Why nobody looks after the FilterDeployments of a namespace; `undefined` when somebody does, or we may not see. */
export function operatorTrouble(
  operators: Sight<readonly KubeObject[]>,
  namespace: string,
): OperatorTrouble | undefined {
  if ("denied" in operators) return undefined;
  const [first] = operators.seen;
  if (first === undefined) return { why: "no operator is installed", fix: INSTALL_OPERATOR, unknown: true };
  const here = operators.seen.filter((one) => watches(one, namespace));
  if (here.length === 0) {
    const others = watchedBy(first).join(",");
    const fix = `wasme operator manifests -n ${first.metadata.namespace ?? ""} --crds none --watch-namespace ${others},${namespace}`;
    return {
      why: `the operator ${titleOf(first)} looks after other namespaces only: ${others}`,
      fix: `install it again with this namespace, too, and the other options it was installed with: ${fix}`,
    };
  }
  if (here.some((one) => numberAt(one, ["status", "availableReplicas"]) > 0)) return undefined;
  const [away = first] = here;
  const { name, namespace: home = "" } = away.metadata;
  if (numberAt(away, ["spec", "replicas"], 1) === 0) {
    const fix = `kubectl scale deployment/${name} -n ${home} --replicas 1`;
    return { why: `the operator ${titleOf(away)} is scaled to 0`, fix };
  }
  const fix = `kubectl get pods -n ${home} -l ${LABEL}; kubectl logs -n ${home} deployment/${name}`;
  return { why: `the operator ${titleOf(away)} has no pod that is ready`, fix };
}

/**
 * What to say where FilterDeployments are not served although an operator is there for them: never installed, or deleted,
 * and all of them with it. Nothing when no operator looks after the namespace (`undefined` is all), or we may not see.
 */
export function unservedNote(
  operators: Sight<readonly KubeObject[]>,
  namespace: string | undefined,
): readonly string[] {
  const seen = "denied" in operators ? [] : operators.seen;
  const idle = seen.find((one) => namespace === undefined || watches(one, namespace));
  if (idle === undefined) return [];
  return [
    `the cluster does not serve the kind FilterDeployment, so the operator ${titleOf(idle)} has nothing to carry out; install the kind, then apply your FilterDeployments: ${INSTALL_KIND}`,
  ];
}

/** The cache whose list the operator of a namespace keeps, as its pods are told; `undefined` when we may not see. */
export function cacheOfOperator(operators: Sight<readonly KubeObject[]>, namespace: string): CacheName | undefined {
  const here = "seen" in operators ? operators.seen.find((one) => watches(one, namespace)) : undefined;
  const args = listAt(here, "spec", "template", "spec", "containers").flatMap((container) => listAt(container, "args"));
  const told = (option: string): string | undefined =>
    args.flatMap((arg) => (typeof arg === "string" && arg.startsWith(option) ? [arg.slice(option.length)] : []))[0];
  const [place, name] = [told("--cache-namespace="), told("--cache-name=")];
  return place === undefined || name === undefined ? undefined : { namespace: place, name };
}

function titleOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function watches(operator: KubeObject, namespace: string): boolean {
  const watched = watchedBy(operator);
  return watched.length === 0 || watched.includes(namespace);
}

/** The namespaces its pods are told to look after; none is all. */
function watchedBy(operator: KubeObject): readonly string[] {
  const containers = listAt(operator, "spec", "template", "spec", "containers");
  const env = containers.flatMap((container) => listAt(container, "env"));
  const value =
    stringAt(
      env.find((one) => stringAt(one, "name") === "WATCH_NAMESPACES"),
      "value",
    ) ?? "";
  return value.split(",").filter((name) => name !== "");
}
