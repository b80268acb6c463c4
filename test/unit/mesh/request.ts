import { type Digest, parseDigest } from "../../../src/domain/digest.ts";
import type { Filter } from "../../../src/domain/filter.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { Workload } from "../../../src/domain/workload.ts";
import type { PluginRequest } from "../../../src/mesh/plugin-spec.ts";

export const MANIFEST_DIGEST: Digest = parseDigest(`sha256:${"ab".repeat(32)}`);
export const MODULE_DIGEST: Digest = parseDigest(`sha256:${"cd".repeat(32)}`);

export const WORKLOAD: Workload = {
  kind: "Deployment",
  name: "web",
  namespace: "shop",
  labels: { team: "a" },
  podLabels: { app: "web", version: "v1" },
  podAnnotations: {},
};

export const FILTER: Filter = {
  id: "auth",
  rootId: "my_root",
  config: undefined,
  patchContext: "inbound",
  priority: 10,
  failurePolicy: "closed",
  phase: undefined,
};

/** A request as the deployer makes it, with the filter's fields replaced as given. */
export function request(filter: Partial<Filter> = {}, more: Partial<PluginRequest> = {}): PluginRequest {
  const image = {
    reference: parseImageReference("registry.example:5000/team/auth:1.2"),
    manifestDigest: MANIFEST_DIGEST,
    moduleDigest: MODULE_DIGEST,
  };
  const cache = { name: "wasme-cache", namespace: "wasme" };
  return { workload: WORKLOAD, filter: { ...FILTER, ...filter }, image, delivery: "registry", cache, ...more };
}
