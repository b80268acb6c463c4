import { type Digest, digestParts } from "../domain/digest.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { cacheDaemonSet, type CachePodSettings } from "./cache-daemon-set.ts";
import type { KubernetesObject, ObjectMetadata } from "./kubernetes-object.ts";
import { MANAGED_BY, MANAGED_BY_LABEL, shortName } from "./names.ts";
import { boundRole, type PolicyRule, rule } from "./program-objects.ts";

/** How the node cache is set up. */
export interface CacheSettings extends CachePodSettings {
  /** The release of the cluster, for fields that older ones do not know; absent: a current one. */
  readonly kubernetes?: { readonly major: number; readonly minor: number } | undefined;
}

const NAME_LABEL = "app.kubernetes.io/name";
const INSTANCE_LABEL = "app.kubernetes.io/instance";
const PROGRAM = "wasme-cache";

/** Everything but the entries, in the order to create it; removal goes the other way. All fit for server-side apply. */
export function buildCacheObjects(settings: CacheSettings): readonly KubernetesObject[] {
  const metadata = cacheMetadata(settings);
  return [
    cacheNamespace(settings),
    { apiVersion: "v1", kind: "ConfigMap", metadata },
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    ...boundRole(metadata, programRules(settings), settings),
    cacheService(settings),
    cacheDaemonSet(settings, metadata, cachePodLabels(settings)),
  ];
}

/** One entry of the cache's ConfigMap: the image that every node is to hold. */
export interface CacheEntry {
  readonly key: string;
  readonly value: string;
}

/**
 * The entry of an image: a key of its own per manifest digest, so that writers do not overwrite each other, and the
 * pinned reference as its value. Write it with a merge patch ({@link cacheEntryPatch}); a server-side apply of one
 * entry would drop the others.
 */
export function cacheEntry(image: Pick<ResolvedImage, "reference" | "manifestDigest">): CacheEntry {
  const { algorithm, hex } = digestParts(image.manifestDigest);
  return { key: `${algorithm}-${hex}`, value: formatReference(withDigest(image.reference, image.manifestDigest)) };
}

/** The merge patch of the ConfigMap that adds (or with `null` removes) entries. */
export function cacheEntryPatch(
  entries: readonly { readonly key: string; readonly value: string | null }[],
): JsonObject {
  return { data: Object.fromEntries(entries.map(({ key, value }) => [key, value])) };
}

/** Labels that only the cache's own pods have. */
export function cachePodLabels(settings: Pick<CacheSettings, "name">): Readonly<Record<string, string>> {
  return { [NAME_LABEL]: PROGRAM, [INSTANCE_LABEL]: settings.name };
}

/** Labels of the objects that a cache is made of. */
export function cacheLabels(settings: Pick<CacheSettings, "name">): Readonly<Record<string, string>> {
  return { ...cachePodLabels(settings), [MANAGED_BY_LABEL]: MANAGED_BY };
}

/** Where proxies download a module: the cache's Service, by the hexadecimal digits of the module's digest. */
export function moduleUrl(cache: Pick<CacheSettings, "name" | "namespace">, moduleDigest: Digest): string {
  return `http://${cache.name}.${cache.namespace}/${digestParts(moduleDigest).hex}`;
}

/** Name of the Secret in the cache's namespace that holds a docker config (JSON) under the key of each listed image that needs one. */
export function pullSecretName(settings: Pick<CacheSettings, "name">): string {
  return `${settings.name}-pull`;
}

/** Name of the ConfigMap in which a node's cache reports. */
export function nodeReportName(settings: Pick<CacheSettings, "name">, node: string): string {
  return shortName(`${settings.name}-node-${node}`);
}

function cacheMetadata(settings: CacheSettings): ObjectMetadata {
  return { name: settings.name, namespace: settings.namespace, labels: cacheLabels(settings) };
}

/** Pod Security must let the one hostPath volume pass, if there is one; the mesh has no business here. */
function cacheNamespace({ files, namespace }: CacheSettings): KubernetesObject {
  const labels = {
    [MANAGED_BY_LABEL]: MANAGED_BY,
    "istio-injection": "disabled",
    "istio.io/dataplane-mode": "none",
    "pod-security.kubernetes.io/enforce": files ? "privileged" : "restricted",
  };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } };
}

/** Names of reports are not known beforehand, and what is created has no name that a rule could hold on to. */
function programRules(settings: CacheSettings): readonly PolicyRule[] {
  return [
    rule("", "configmaps", ["list", "watch"], [settings.name]),
    rule("", "secrets", ["list", "watch"], [pullSecretName(settings)]),
    rule("", "configmaps", ["create", "patch"]),
    rule("events.k8s.io", "events", ["create", "patch"]),
  ];
}

/** A node's proxies go to the pod of their node while it is ready, else to another. */
function cacheService(settings: CacheSettings): KubernetesObject {
  const distribution = trafficDistribution(settings.kubernetes);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: cacheMetadata(settings),
    spec: {
      selector: cachePodLabels(settings),
      ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }],
      ...(distribution === undefined ? {} : { trafficDistribution: distribution }),
    },
  };
}

/** `PreferSameNode` is on from Kubernetes 1.34 (KEP-3015), `PreferClose` from 1.31 (KEP-4444); before, the field is unknown. */
function trafficDistribution(kubernetes: CacheSettings["kubernetes"]): string | undefined {
  const { major, minor } = kubernetes ?? { major: 1, minor: 34 };
  if (major > 1 || minor >= 34) return "PreferSameNode";
  return minor >= 31 ? "PreferClose" : undefined;
}
