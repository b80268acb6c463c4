import type { Digest } from "../domain/digest.ts";
import type { JsonObject } from "../domain/json.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import type { WorkloadEdit } from "./edit-workload.ts";
import type { Owner } from "./request.ts";

/** What happens to an object. */
export type Action = "create" | "update" | "delete" | "unchanged";

interface ChangeBase {
  readonly action: Action;
  readonly ref: ObjectRef;
  /** Why, or what it means: the end of the plan's line. */
  readonly reason: string;
  /** The object as the server has it now; absent when it does not exist. */
  readonly before?: KubeObject | undefined;
  /** The object as it will be, by the server's own dry run where it could be asked. */
  readonly after?: KubeObject | undefined;
}

/** Server-side apply of an object we own wholly. */
export interface ApplyChange extends ChangeBase {
  readonly type: "apply";
  readonly object: KubeObject;
  /** Takes over this object's fields whoever owns them: it was always ours to write. */
  readonly force?: boolean;
}

/** An entry of the cache's ConfigMap is set, and it is said of filter `from` that it needs it. */
export interface AnnounceChange extends ChangeBase {
  readonly type: "announce";
  readonly key: string;
  readonly value: string;
  /** As notices name the filter. */
  readonly from: string;
  /** Before its objects are applied, or after: then they tell, and the notice goes. */
  readonly stage: "coming" | "there";
  /** How others know of the need until then: by a notice, by a FilterDeployment, or by objects that are there already. */
  readonly need: "told" | "named" | "seen";
}

/**
 * An entry of the cache's ConfigMap is removed, unless somebody says that it is about to need it or anything in the
 * cluster needs it: that is asked when the step is carried out, whatever the plan says.
 */
export interface ReleaseChange extends ChangeBase {
  readonly type: "release";
  readonly key: string;
  readonly from: string;
  /** A FilterDeployment that does not count. */
  readonly owner: Owner | undefined;
  /** Its credentials go after it: until then it stays noted that the filter goes. */
  readonly credentials: boolean;
  /** The cache may go when this was its last entry. */
  readonly withCache: boolean;
}

/** An image's credentials for the cache are set, or removed when `value` is null. Never shown. */
export interface SecretChange extends ChangeBase {
  readonly type: "secret";
  readonly key: string;
  /** A docker config, base64. */
  readonly value: string | null;
  /** Labels of the Secret, should it have to be made. */
  readonly labels: Readonly<Record<string, string>>;
  /** They are removed only if this list does not have the entry (any more). */
  readonly release?: { readonly list: ObjectRef; readonly from: string };
}

/** Something of ours in the pod template of somebody else's workload. */
export interface EditChange extends ChangeBase {
  readonly type: "edit";
  readonly edit: WorkloadEdit;
}

/** An object goes, if it is still the one that was seen. */
export interface DeleteChange extends ChangeBase {
  readonly type: "delete";
  /** Only when the ConfigMap of this cache (`namespace/name`) went before: nobody announced a module meanwhile. */
  readonly onlyWithCache?: string;
  /** A list: only when its last entry was taken out. The parts of its cache go after it, whichever there are then. */
  readonly onlyEmptied?: boolean;
}

/** A few fields of an object that is there; what exactly is worked out from the object as it is then. */
export interface TouchChange extends ChangeBase {
  readonly type: "touch";
  /** The merge patch, `undefined` when there is nothing to do (any more). */
  readonly touch: (live: KubeObject) => JsonObject | undefined;
}

/** One change of one object. */
export type Change =
  | ApplyChange
  | AnnounceChange
  | ReleaseChange
  | SecretChange
  | EditChange
  | DeleteChange
  | TouchChange;

/** Waits until the nodes hold a module. */
export interface ModuleWait {
  readonly type: "wait-module";
  readonly moduleDigest: Digest;
  readonly cache: { readonly namespace: string; readonly name: string };
  /** The entry of the cache's list. It is put back when somebody takes it out while it is waited for. */
  readonly entry: { readonly key: string; readonly value: string };
  /** Files: the nodes of these workloads' pods must have it themselves, since no neighbour can stand in. */
  readonly pods?: readonly PodSelection[];
  /** Milliseconds; 0 does not wait. */
  readonly timeoutMs: number;
}

/** The pods of a workload. */
export interface PodSelection {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Looks whether pods that were rolled out have the image volume in fact: an old injector drops what it does not know. */
export interface VolumeWait {
  readonly type: "check-volumes";
  readonly volume: string;
  readonly pods: readonly PodSelection[];
}

/** Waits until workloads run only pods of their newest template. */
export interface RolloutWait {
  readonly type: "wait-rollout";
  readonly workloads: readonly ObjectRef[];
  readonly timeoutMs: number;
}

/** Waits until one object is as somebody else has to make it. */
export interface ObjectWait {
  readonly type: "wait-object";
  readonly ref: ObjectRef;
  /** Milliseconds; 0 does not wait. */
  readonly timeoutMs: number;
  /** How far it is, as the end of a sentence that begins with the object; gone is `undefined`. */
  readonly look: (live: KubeObject | undefined) => { readonly done: boolean; readonly message: string };
}

/** A step that changes nothing. */
export type Wait = ModuleWait | RolloutWait | ObjectWait | VolumeWait;

/**
 * Notes at the cache's list, before anything else, that filter `from` is about to need an entry no more. So a run that
 * was stopped before it took the entry out can be gone on with.
 */
export interface MarkStep {
  readonly type: "mark";
  readonly ref: ObjectRef;
  readonly key: string;
  readonly from: string;
}

/** A step of a plan. */
export type Step = Change | Wait | MarkStep;

/** What will be done, in order. Nothing in it has been done yet. */
export interface Plan {
  readonly steps: readonly Step[];
  /** What the user should know before: the image pinned, the kind chosen, what restarts. */
  readonly notes: readonly string[];
  /** What may go wrong, with what to do about it. */
  readonly warnings: readonly { readonly message: string; readonly hint?: string }[];
}

/** The changes of a plan, without its waits and marks. */
export function changesOf(plan: Pick<Plan, "steps">): readonly Change[] {
  return plan.steps.filter((step): step is Change => step.type !== "mark" && !isWait(step));
}

/** True for a step that changes nothing. */
export function isWait(step: Step): step is Wait {
  return WAITS.has(step.type);
}

/** `deployments.apps`-free title of an object: `Deployment shop/web`. */
export function refTitle(ref: ObjectRef): string {
  const name = ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
  return `${ref.kind.kind} ${name}`;
}

/** The reference of an object of a known kind. */
export function refTo(kind: ObjectRef["kind"], object: { readonly metadata: KubeObject["metadata"] }): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { kind, name } : { kind, name, namespace };
}

const WAITS: ReadonlySet<Step["type"]> = new Set(["wait-module", "wait-rollout", "wait-object", "check-volumes"]);
