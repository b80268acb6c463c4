import type { Json, JsonObject } from "../domain/json.ts";
import type { KubernetesObject, ObjectMetadata } from "./kubernetes-object.ts";

/** When the kubelet pulls a program's image. */
export type PullPolicy = "Always" | "IfNotPresent" | "Never";

/** The user and group that wasme's programs run as in a cluster: nobody's, and not root's. */
const PROGRAM_USER = 65532;

/** Binds a service account to the Role of the same name in the same namespace. */
export function roleBinding(metadata: ObjectMetadata): KubernetesObject {
  const { name, namespace } = metadata;
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata,
    subjects: [{ kind: "ServiceAccount", name, namespace }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
  };
}

/** What Pod Security's level "restricted" asks of a pod; as root it is all of it but the user. */
export function podSecurity({ root }: { readonly root: boolean }): JsonObject {
  const user = root ? 0 : PROGRAM_USER;
  return {
    runAsNonRoot: !root,
    runAsUser: user,
    runAsGroup: user,
    ...(root ? {} : { fsGroup: PROGRAM_USER }),
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** The same for a container. Even root has no capability: it only owns what the kubelet makes for it. */
export function containerSecurity(): JsonObject {
  return { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } };
}

/** A variable with a field of the pod. */
export function fieldEnv(name: string, fieldPath: string): JsonObject {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** Probes of the health server that all long-running programs have; a slow start is no reason to be killed. */
export function probes(port: string): Readonly<Record<string, Json>> {
  const get = (path: string): JsonObject => ({ httpGet: { path, port } });
  return {
    startupProbe: { ...get("/healthz"), periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: { ...get("/readyz"), periodSeconds: 2, failureThreshold: 2 },
    livenessProbe: { ...get("/healthz"), periodSeconds: 10, timeoutSeconds: 5 },
  };
}
