import type { JsonObject } from "../domain/json.ts";
import { filterDeploymentCrd } from "./filter-deployment-crd.ts";
import { type KubernetesObject, type ObjectMetadata } from "./kubernetes-object.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "./names.ts";
import { operatorDeployment, type OperatorPodSettings } from "./operator-deployment.ts";
import { cacheRules, leaderRules, watchedRules } from "./operator-rules.ts";
import { boundRole, type PolicyRule, rule } from "./program-objects.ts";

/** How the operator is set up. */
export interface OperatorSettings extends OperatorPodSettings {
  /** Names of the Secrets that FilterDeployments may name for pulling; empty: the operator may read any by its name. */
  readonly pullSecrets: readonly string[];
  /** True where something else keeps a second operator from taking the first one's roles, as Helm does. */
  readonly plainNames?: boolean;
}

/**
 * The definition of FilterDeployment and everything of the operator, in the order to create it. The roles in the
 * namespaces it watches and in the cache's come with it: those namespaces must be there first.
 */
export function buildOperatorObjects(settings: OperatorSettings): readonly KubernetesObject[] {
  return [...buildOperatorKinds(), ...buildOperatorProgram(settings)];
}

/** What is there once per cluster, whoever runs the operator: the definition of FilterDeployment and its roles for people. */
export function buildOperatorKinds(): readonly KubernetesObject[] {
  return [filterDeploymentCrd, ...userRoles()];
}

/** The operator itself, without {@link buildOperatorKinds}. */
export function buildOperatorProgram(settings: OperatorSettings): readonly KubernetesObject[] {
  const metadata = operatorMetadata(settings);
  return [
    operatorNamespace(settings),
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    ...operatorRoles(settings),
    metricsService(settings),
    operatorDeployment(settings, metadata, operatorPodLabels(settings)),
  ];
}

/**
 * Roles for people: who may view or edit a namespace may view or edit its FilterDeployments (aggregated ClusterRoles,
 * Kubernetes: using RBAC authorization).
 */
function userRoles(): readonly KubernetesObject[] {
  const role = (level: string, rules: readonly PolicyRule[]): KubernetesObject => {
    const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [`rbac.authorization.k8s.io/aggregate-to-${level}`]: "true" };
    const metadata = { name: `wasme-filterdeployments-${level}`, labels };
    return { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata, rules };
  };
  return [
    role("view", [rule("wasme.io", "filterdeployments", ["get", "list", "watch"])]),
    role("edit", [rule("wasme.io", "filterdeployments", ["create", "update", "patch", "delete", "deletecollection"])]),
  ];
}

/** Labels that only the operator's own pods have. */
function operatorPodLabels(settings: Pick<OperatorSettings, "name">): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/name": "wasme-operator", "app.kubernetes.io/instance": settings.name };
}

function operatorMetadata(settings: Pick<OperatorSettings, "name" | "namespace">): ObjectMetadata {
  const labels = { ...operatorPodLabels(settings), [MANAGED_BY_LABEL]: MANAGED_BY };
  return { name: settings.name, namespace: settings.namespace, labels };
}

function operatorNamespace({ namespace }: OperatorSettings): KubernetesObject {
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, "pod-security.kubernetes.io/enforce": "restricted" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } };
}

/**
 * One role per place: the watched namespaces (or the cluster), the cache's, its own. Outside its own namespace the names say
 * which operator it is, when it is not in the usual one: a second operator would take the rights of the first.
 */
function operatorRoles(settings: OperatorSettings): readonly KubernetesObject[] {
  const { name, namespace, cache, watchNamespaces } = settings;
  const account = { name, namespace };
  const { labels } = operatorMetadata(settings);
  const unusual = namespace === USUAL_NAMESPACE || settings.plainNames === true ? "" : `-${namespace}`;
  const at = (suffix: string, place: string | undefined): ObjectMetadata => ({
    name: place === namespace ? `${name}${suffix}` : `${name}${unusual}${suffix}`,
    ...(place === undefined ? {} : { namespace: place }),
    ...(labels === undefined ? {} : { labels }),
  });
  const watched = watchedRules(settings.pullSecrets);
  const places = watchNamespaces.length === 0 ? [undefined] : watchNamespaces;
  return [
    ...places.flatMap((place) => boundRole(at("", place), watched, account)),
    ...(cache === undefined ? [] : boundRole(at("-cache", cache.namespace), cacheRules(cache), account)),
    ...boundRole(at("-leader", namespace), leaderRules(name), account),
  ];
}

function metricsService(settings: OperatorSettings): KubernetesObject {
  const ports: JsonObject[] = [{ name: "http-metrics", port: 8080, targetPort: "http", protocol: "TCP" }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: operatorMetadata(settings),
    spec: { selector: operatorPodLabels(settings), ports },
  };
}

const USUAL_NAMESPACE = "wasme-operator";
