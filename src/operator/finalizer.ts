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
      if (!(error instanceof WasmeError) || !OUTRUN.has(error.code)) throw error;
    }
    const now = await port.get(refOf(live), signal);
    const { uid } = live.metadata;
    if (now === undefined || now.metadata.uid !== uid || now.metadata.deletionTimestamp !== undefined) break;
    seen = now;
  }
  const { namespace = "", name } = live.metadata;
  throw new WasmeError("failed", "KUBE_CONFLICT", `FilterDeployment ${namespace}/${name} was changed at the same time`);
}

function addition(live: KubeObject): readonly PatchOperation[] {
  const listed = at(live, "metadata", "finalizers") !== undefined;
  // Without a list the add would replace one that somebody else began meanwhile.
  const test: PatchOperation = { op: "test", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion };
  return listed
    ? [test, { op: "add", path: "/metadata/finalizers/-", value: FINALIZER }]
    : [test, { op: "add", path: "/metadata/finalizers", value: [FINALIZER] }];
}

/** Takes the finalizer off, whatever others are there. */
export async function removeFinalizer(
  port: Pick<KubePort, "jsonPatch">,
  live: KubeObject,
  signal?: AbortSignal,
): Promise<void> {
  const index = listAt(live, "metadata", "finalizers").indexOf(FINALIZER);
  const path = `/metadata/finalizers/${index}`;
  try {
    await port.jsonPatch(
      refOf(live),
      [
        { op: "test", path, value: FINALIZER },
        { op: "remove", path },
      ],
      { signal },
    );
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "KUBE_NOT_FOUND") throw error;
  }
}

function refOf({ metadata }: KubeObject): ObjectRef {
  const { name, namespace } = metadata;
  return { kind: Kinds.filterDeployment, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** The test of the version did not hold, or the object is gone. */
const OUTRUN: ReadonlySet<string> = new Set(["KUBE_INVALID", "KUBE_CONFLICT", "KUBE_NOT_FOUND"]);
const ATTEMPTS = 3;
