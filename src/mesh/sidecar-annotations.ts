import { usageError } from "../domain/errors.ts";
import { isObject, type Json, type JsonObject } from "../domain/json.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";
import { itemsByName, parseVolumeList, type VolumeList, withItem, withoutItem } from "./volume-list.ts";

/** Annotations of a pod template. */
export type Annotations = Readonly<Record<string, string>>;

/** What to write: new values, `null` for keys to be removed. Empty when nothing is to be done, so no pod restarts. */
export interface AnnotationPatch {
  readonly changes: Readonly<Record<string, string | null>>;
  /** Annotations in which the user mounts the directory under our name in a way of their own: left as it is. */
  readonly kept: readonly string[];
}

export const USER_VOLUME = "sidecar.istio.io/userVolume";
export const USER_VOLUME_MOUNT = "sidecar.istio.io/userVolumeMount";

/**
 * Where the value from before our first change is kept, word for word; empty when there was none. (The old tool's
 * `wasme-backup.…` keys are another matter: it overwrote them, so they are neither trusted nor touched.)
 */
export const USER_VOLUME_BACKUP = "wasme.io/user-volume-backup";
export const USER_VOLUME_MOUNT_BACKUP = "wasme.io/user-volume-mount-backup";

interface Slot {
  readonly annotation: string;
  readonly backup: string;
  /** Our item, without its name. */
  readonly item: JsonObject;
}

const SLOTS: readonly Slot[] = [
  {
    annotation: USER_VOLUME,
    backup: USER_VOLUME_BACKUP,
    item: { hostPath: { path: MODULE_DIRECTORY, type: "DirectoryOrCreate" } },
  },
  {
    annotation: USER_VOLUME_MOUNT,
    backup: USER_VOLUME_MOUNT_BACKUP,
    item: { mountPath: MODULE_DIRECTORY, readOnly: true },
  },
];

/**
 * Makes Istio's injector mount the node's module directory into the sidecar, beside what the user mounts. The value
 * found before is backed up once. Throws `ANNOTATION_INVALID`, or `ANNOTATION_CONFLICT` (usage) when the user mounts
 * something else at that directory, or something else under our name.
 */
export function mountModules(annotations: Annotations): AnnotationPatch {
  const changes: Record<string, string | null> = {};
  const kept: string[] = [];
  for (const slot of SLOTS) {
    const current = annotations[slot.annotation];
    const list = listOf(slot, current);
    const present = itemsByName(list).get(MODULE_VOLUME);
    if (present === undefined) {
      refuseSameDirectory(slot, list);
      changes[slot.annotation] = canonicalJson(withItem(list, MODULE_VOLUME, slot.item));
      changes[slot.backup] = current ?? "";
    } else if (!sameJson(present, slot.item)) {
      refuseOtherSource(slot, present);
      kept.push(slot.annotation);
    }
  }
  return { changes: withoutEqual(changes, annotations), kept };
}

/**
 * Takes the module directory out again. When the value is still what we made of the backup, the backup comes back
 * word for word; when somebody changed it since, only our item goes. Without a backup nothing here is ours.
 * Throws `ANNOTATION_INVALID`.
 */
export function unmountModules(annotations: Annotations): AnnotationPatch {
  const changes: Record<string, string | null> = {};
  for (const slot of SLOTS) {
    const backup = annotations[slot.backup];
    if (backup === undefined) continue;
    changes[slot.backup] = null;
    const current = annotations[slot.annotation];
    if (current === undefined) continue;
    changes[slot.annotation] = restored(slot, current, backup);
  }
  return { changes: withoutEqual(changes, annotations), kept: [] };
}

function restored(slot: Slot, current: string, backup: string): string | null {
  const list = parseVolumeList(current, slot.annotation);
  const before = backup === "" ? undefined : backup;
  const ours = withItem(listOf(slot, before), MODULE_VOLUME, slot.item);
  if (sameJson(asJson(list), ours)) return before ?? null;
  const present = itemsByName(list).get(MODULE_VOLUME);
  if (present === undefined || !sameJson(present, slot.item)) return current;
  const left = withoutItem(list, MODULE_VOLUME);
  return left === undefined ? null : canonicalJson(left);
}

function listOf(slot: Slot, text: string | undefined): VolumeList {
  return text === undefined ? { form: "array", items: [] } : parseVolumeList(text, slot.annotation);
}

function asJson(list: VolumeList): Json {
  return list.items;
}

/** Kubernetes refuses pods in which two mounts of a container share a path. */
function refuseSameDirectory(slot: Slot, list: VolumeList): void {
  for (const [name, item] of itemsByName(list)) {
    if (item["mountPath"] !== MODULE_DIRECTORY) continue;
    throw usageError(
      "ANNOTATION_CONFLICT",
      `the annotation ${slot.annotation} mounts ${JSON.stringify(name)} at ${MODULE_DIRECTORY}, where filters lie`,
      {
        hint: "mount it elsewhere, or deploy with --via wasmplugin",
      },
    );
  }
}

/** An item of our name that leads elsewhere: the proxy would be told of a file it does not have, and open no port. */
function refuseOtherSource(slot: Slot, present: JsonObject): void {
  const { hostPath, mountPath } = present;
  if (mountPath === MODULE_DIRECTORY || (isObject(hostPath) && hostPath["path"] === MODULE_DIRECTORY)) return;
  throw usageError(
    "ANNOTATION_CONFLICT",
    `the annotation ${slot.annotation} has another item called ${MODULE_VOLUME}, not the node's ${MODULE_DIRECTORY}`,
    { hint: "rename it, or deploy with --via wasmplugin" },
  );
}

function withoutEqual(
  changes: Readonly<Record<string, string | null>>,
  annotations: Annotations,
): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.entries(changes).filter(([key, value]) => (annotations[key] ?? null) !== value));
}
