import { pullSecretName } from "./cache-objects.ts";
import { type PolicyRule, rule } from "./program-objects.ts";

const READ = ["get", "list", "watch"] as const;
const WRITE = ["create", "patch", "delete"] as const;

/**
 * What the operator may do in the namespaces it watches. Secrets are read by name alone, never listed; with
 * `pullSecrets` only those of these names.
 */
export function watchedRules(pullSecrets: readonly string[]): readonly PolicyRule[] {
  return [
    rule("wasme.io", "filterdeployments", [...READ, "patch"]),
    rule("wasme.io", "filterdeployments/status", ["patch"]),
    // Where the server guards owner references, one that blocks its owner's deletion needs this.
    rule("wasme.io", "filterdeployments/finalizers", ["update"]),
    rule("apps", ["deployments", "daemonsets", "statefulsets"], [...READ, "patch"]),
    rule("networking.istio.io", "envoyfilters", [...READ, ...WRITE]),
    rule("extensions.istio.io", ["wasmplugins", "trafficextensions"], [...READ, ...WRITE]),
    rule("", "pods", ["list", "watch"]),
    rule("", "namespaces", ["get"]),
    rule("", "secrets", ["get"], pullSecrets),
    rule("events.k8s.io", "events", ["create", "patch", "deletecollection"]),
  ];
}

/** What the operator may do in the namespace of the node cache: keep its list, hand it credentials, read its reports. */
export function cacheRules(cache: { readonly name: string }): readonly PolicyRule[] {
  return [
    rule("", "configmaps", READ),
    rule("", "configmaps", ["patch"], [cache.name]),
    rule("", "services", ["get"], [cache.name]),
    rule("apps", "daemonsets", ["get"], [cache.name]),
    rule("", "secrets", ["create"]),
    rule("", "secrets", ["get", "patch", "delete"], [pullSecretName(cache)]),
    rule("", "pods", ["list", "watch"]),
  ];
}

/** What the operator may do in its own namespace: agree with its replicas on who leads. */
export function leaderRules(lease: string): readonly PolicyRule[] {
  return [
    rule("coordination.k8s.io", "leases", ["create"]),
    rule("coordination.k8s.io", "leases", ["get", "patch"], [lease]),
  ];
}
