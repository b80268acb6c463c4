import type { FilterDeploymentSpec } from "../domain/filter-deployment.ts";
import type { DeployRequest, Owner } from "../deploy/request.ts";
import type { KubeObject } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_KIND, FILTER_DEPLOYMENT_VERSION } from "../mesh/filter-deployment-crd.ts";
import type { PullCredential } from "./pull-secret.ts";
import type { CacheLocation } from "./settings.ts";

/** Milliseconds after which a wait counts as too long; it goes on all the same. */
export const PATIENCE_MS = 300_000;

/** The deploy that a FilterDeployment asks for. `names` limits it to these workloads. */
export function requestOf(
  live: KubeObject,
  spec: FilterDeploymentSpec,
  options: {
    readonly cache: CacheLocation | undefined;
    readonly names?: readonly string[];
    readonly pull?: PullCredential | undefined;
    readonly listedAs?: string | undefined;
  },
): DeployRequest {
  const { image, id, config, rootId, patchContext, priority, failurePolicy, phase, via, delivery } = spec;
  return {
    image,
    id,
    config,
    rootId,
    patchContext,
    priority,
    failurePolicy,
    phase,
    via,
    delivery,
    workloads: { kind: spec.kind, namespace: live.metadata.namespace, labels: spec.labels, names: options.names },
    pullSecret: spec.pullSecret,
    // Two that name one image with different accounts take turns at the cache's Secret, whenever they are looked at: each
    // writes an account that worked a moment ago. Were one of them preferred, its account would stay after it was revoked.
    pullConfig: options.pull?.dockerConfig,
    cache: {
      ...(options.cache === undefined ? NO_CACHE : { ...options.cache, upkeep: "use" }),
      // The operator never makes the cache: this is looked at by nobody.
      image: "",
      imagePullPolicy: "IfNotPresent",
      listedAs: options.listedAs,
      timeoutMs: PATIENCE_MS,
    },
    check: true,
    dryRun: undefined,
    manifests: [],
    forceConflicts: true,
    wait: false,
    timeoutMs: PATIENCE_MS,
    owner: ownerOf(live),
  };
}

/** The FilterDeployment as the owner of what is made for it. */
export function ownerOf({ metadata }: KubeObject): Owner {
  const { name, uid = "" } = metadata;
  return { apiVersion: FILTER_DEPLOYMENT_VERSION, kind: FILTER_DEPLOYMENT_KIND, name, uid };
}

const NO_CACHE = { name: "", namespace: "", upkeep: "none" } as const;
