import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import { at, type KubeObject, listAt } from "../kube/objects.ts";
import type { KubePort, ObjectRef, PatchOperation } from "../kube/port.ts";

/** Keeps a FilterDeployment until what was made for it is gone. */
const FINALIZER = "wasme.io/filter-deployment";

/** True when the object waits for us before it may go. */
export function hasFinalizer(live: KubeObject): boolean {
  return listAt(live, "metadata", "finalizers").includes(FINALIZER);
}

/**
 * Puts the finalizer on; the object as it is then. When somebody is quicker it looks again, a few times. Throws
 * `KUBE_CONFLICT` (failed) when the object is another one by now, is going, or is written all the time.
 */
export async function addFinalizer(
  port: Pick<KubePort, "jsonPatch" | "get">,
  live: KubeObject,
  signal?: AbortSignal,
): Promise<KubeObject> {
  let seen = live;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (hasFinalizer(seen)) return seen;
    try {
      return await port.jsonPatch(refOf(seen), addition(seen), { signal });
    } catch (error) {
      const now = await outrunBy(port, seen, { error, signal });
      if (now === undefined || now.metadata.uid !== live.metadata.uid || isGoing(now)) break;
      seen = now;
    }
  }
  throw outrun(live);
}

function isGoing({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function addition(live: KubeObject): readonly PatchOperation[] {
  const listed = at(live, "metadata", "finalizers") !== undefined;
  // Without a list the add would replace one that somebody else began meanwhile.
  const test: PatchOperation = { op: "test", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion };
  return listed
    ? [test, { op: "add", path: "/metadata/finalizers/-", value: FINALIZER }]
    : [test, { op: "add", path: "/metadata/finalizers", value: [FINALIZER] }];
}

/**
 * Takes the finalizer off this very object, whatever others are there. When somebody takes another one off at the same time
 * it looks again, a few times. Throws `KUBE_CONFLICT` (failed) when that does not end.
 */
export async function removeFinalizer(
  port: Pick<KubePort, "jsonPatch" | "get">,
  live: KubeObject,
  signal?: AbortSignal,
): Promise<void> {
  let seen: KubeObject | undefined = live;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (seen === undefined || seen.metadata.uid !== live.metadata.uid || !hasFinalizer(seen)) return;
    try {
      await port.jsonPatch(refOf(live), removal(seen), { signal });
      return;
    } catch (error) {
      seen = await outrunBy(port, seen, { error, signal });
    }
  }
  throw outrun(live);
}

function removal(live: KubeObject): readonly PatchOperation[] {
  const path = `/metadata/finalizers/${listAt(live, "metadata", "finalizers").indexOf(FINALIZER)}`;
  return [
    { op: "test", path: "/metadata/uid", value: live.metadata.uid },
    { op: "test", path, value: FINALIZER },
    { op: "remove", path },
  ];
}

/** The object as somebody else left it meanwhile; throws the error when nobody did, and the cluster refuses the write itself. */
async function outrunBy(
  port: Pick<KubePort, "get">,
  seen: KubeObject,
  { error, signal }: { readonly error: unknown; readonly signal: AbortSignal | undefined },
): Promise<KubeObject | undefined> {
  if (!(error instanceof WasmeError) || !OUTRUN.has(error.code)) throw error;
  const now = await port.get(refOf(seen), signal);
  if (now?.metadata.resourceVersion === seen.metadata.resourceVersion) throw error;
  return now;
}

function outrun({ metadata: { namespace = "", name } }: KubeObject): WasmeError {
  return new WasmeError(
    "failed",
    "KUBE_CONFLICT",
    `FilterDeployment ${namespace}/${name} was changed at the same time`,
  );
}

function refOf({ metadata }: KubeObject): ObjectRef {
  const { name, namespace } = metadata;
  return { kind: Kinds.filterDeployment, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** A test did not hold, or the object is gone. */
const OUTRUN: ReadonlySet<string> = new Set(["KUBE_INVALID", "KUBE_CONFLICT", "KUBE_NOT_FOUND"]);
const ATTEMPTS = 3;
