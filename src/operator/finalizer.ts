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

/** Puts the finalizer on; the object as it is then. Throws `KUBE_INVALID` when somebody was quicker. */
export async function addFinalizer(
  port: Pick<KubePort, "jsonPatch">,
  live: KubeObject,
  signal?: AbortSignal,
): Promise<KubeObject> {
  const listed = at(live, "metadata", "finalizers") !== undefined;
  const add: PatchOperation = listed
    ? { op: "add", path: "/metadata/finalizers/-", value: FINALIZER }
    : { op: "add", path: "/metadata/finalizers", value: [FINALIZER] };
  // Without a list the add would replace one that somebody else began meanwhile.
  const test: PatchOperation = { op: "test", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion };
  return await port.jsonPatch(refOf(live), [test, add], { signal });
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
