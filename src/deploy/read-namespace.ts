import { WasmeError } from "../domain/errors.ts";
import type { PatchContext } from "../domain/filter.ts";
import { workloadTitle } from "../domain/workload.ts";
import { Kinds } from "../kube/kinds.ts";
import { isGateway, type Target } from "./live-workload.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/** A namespace, with its labels when we may read them. */
export interface Space {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** The namespace's labels; `undefined` when we may not read them. Throws `NAMESPACE_NOT_FOUND` (not-found). */
export async function readNamespace(
  deps: ClusterDeps,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  // A list of none is told from a refusal.
  const found = await deniedAsUndefined(
    deps.port.get({ kind: Kinds.namespace, name }, deps.signal).then((live) => [live]),
  );
  if (found === undefined) return undefined;
  const [live] = found;
  if (live !== undefined) return live.metadata.labels ?? {};
  throw new WasmeError("not-found", "NAMESPACE_NOT_FOUND", `there is no namespace ${JSON.stringify(name)}`, {
    hint: "kubectl get namespaces; -n picks another one",
  });
}

/** Why a directory of the node cannot get into pods of this namespace, if so. */
export function filesObstacle({ namespace, labels }: Space): string | undefined {
  const level = labels?.["pod-security.kubernetes.io/enforce"];
  if (level !== "baseline" && level !== "restricted") return undefined;
  return `namespace ${JSON.stringify(namespace)} enforces pod security ${JSON.stringify(level)}, which forbids hostPath volumes`;
}

/** Why no volume at all can get into these pods' proxies, if so. */
export function mountObstacle(context: PatchContext, targets: readonly Target[]): string | undefined {
  if (context !== "gateway") return undefined;
  const other = targets.find(({ live }) => !isGateway(live));
  if (other === undefined) return undefined;
  return `${workloadTitle(other.workload)} has no container istio-proxy to mount a volume into`;
}
