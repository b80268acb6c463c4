import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringAt, stringMapAt } from "../kube/objects.ts";
import type { Access, ObjectRef } from "../kube/port.ts";
import { cacheLabels, pullSecretName } from "../mesh/cache-objects.ts";
import type { SecretChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined, requireAccess } from "./require-access.ts";

/** A cache's place. */
interface CacheName {
  readonly name: string;
  readonly namespace: string;
}

/** The Secret of a cache that holds credentials for single images. */
function pullSecretRef(cache: CacheName): ObjectRef {
  return { kind: Kinds.secret, name: pullSecretName(cache), namespace: cache.namespace };
}

/**
 * Copies the credentials of the workloads' pull secret to the cache, under the image's key: its nodes pull with them.
 * Throws `PULL_SECRET_NOT_FOUND` (not-found) or `PULL_SECRET_UNUSABLE` (usage).
 */
export async function planPullSecret(
  deps: ClusterDeps,
  cache: CacheName,
  wanted: {
    readonly key: string;
    readonly secret: string;
    readonly namespace: string;
    /** The docker config in it, where it was read already. */
    readonly config?: string | undefined;
  },
): Promise<SecretChange> {
  const { key, secret, namespace, config } = wanted;
  const ref = pullSecretRef(cache);
  const from: ObjectRef = { kind: Kinds.secret, name: secret, namespace };
  await requireAccess(deps, [{ verb: "get", ...from }, ...writes(ref)]);
  const value =
    config === undefined
      ? credentialsIn(await deps.port.get(from, deps.signal), from)
      : Buffer.from(config).toString("base64");
  const live = await deps.port.get(ref, deps.signal);
  const there = live === undefined ? undefined : stringMapAt(live, "data")[key];
  const action = live === undefined ? "create" : there === value ? "unchanged" : "update";
  const reason = `lets the nodes pull with the credentials of Secret ${namespace}/${secret}`;
  return { type: "secret", action, ref, key, value, labels: cacheLabels(cache), reason };
}

/**
 * Makes sure of the Secret that the proxies will read themselves: without it they refuse all requests, or go on without
 * the filter. One that we may not see is taken for right. Throws as {@link planPullSecret}.
 */
export async function requirePullSecret(
  deps: Pick<ClusterDeps, "signal"> & { readonly port: Pick<ClusterDeps["port"], "get"> },
  { secret, namespace }: { readonly secret: string; readonly namespace: string },
): Promise<void> {
  const from: ObjectRef = { kind: Kinds.secret, name: secret, namespace };
  const found = await deniedAsUndefined(deps.port.get(from, deps.signal).then((object) => ({ object })));
  if (found !== undefined) credentialsIn(found.object, from);
}

/** Takes the credentials of images away that leave the cache's list; nothing when there are none, or we may not see. */
export async function planSecretRelease(
  deps: ClusterDeps,
  cache: CacheName,
  what: {
    readonly keys: readonly string[];
    readonly needed: ReadonlySet<string>;
    readonly list: ObjectRef;
    readonly from: string;
  },
): Promise<readonly SecretChange[]> {
  const ref = pullSecretRef(cache);
  const live = await deniedAsUndefined(deps.port.get(ref, deps.signal));
  if (live === undefined) return [];
  const data = stringMapAt(live, "data");
  const reason = "no filter needs these credentials any more";
  const { keys, needed, list, from } = what;
  const base = {
    type: "secret",
    ref,
    value: null,
    labels: cacheLabels(cache),
    reason,
    release: { list, from },
  } as const;
  return keys
    .filter((key) => data[key] !== undefined)
    .map((key) => ({ ...base, key, action: needed.has(key) ? "unchanged" : "update" }));
}

function writes(ref: ObjectRef): readonly Access[] {
  const { kind, namespace } = ref;
  const scope = namespace === undefined ? {} : { namespace };
  return [
    { verb: "get", ...ref },
    { verb: "patch", ...ref },
    { verb: "create", kind, ...scope },
  ];
}

function credentialsIn(secret: KubeObject | undefined, ref: ObjectRef): string {
  const where = `Secret ${JSON.stringify(ref.name)} in namespace ${JSON.stringify(ref.namespace)}`;
  if (secret === undefined) {
    throw new WasmeError("not-found", "PULL_SECRET_NOT_FOUND", `there is no ${where}`, {
      hint: `kubectl create secret docker-registry ${ref.name} -n ${ref.namespace ?? ""} …`,
    });
  }
  const value = stringMapAt(secret, "data")[DOCKER_CONFIG];
  if (value !== undefined && stringAt(secret, "type") === DOCKER_CONFIG_TYPE) return value;
  throw new WasmeError("usage", "PULL_SECRET_UNUSABLE", `${where} is not of type ${DOCKER_CONFIG_TYPE}`, {
    hint: "kubectl create secret docker-registry makes one of that type",
  });
}

const DOCKER_CONFIG = ".dockerconfigjson";
const DOCKER_CONFIG_TYPE = "kubernetes.io/dockerconfigjson";
