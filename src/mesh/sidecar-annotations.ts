import { usageError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";
import { FILES_VOLUME, isModuleVolume, type ModuleVolume } from "./module-volume.ts";
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
  readonly item: (volume: ModuleVolume) => JsonObject;
}

const SLOTS: readonly Slot[] = [
  { annotation: USER_VOLUME, backup: USER_VOLUME_BACKUP, item: ({ source }) => source },
  {
    annotation: USER_VOLUME_MOUNT,
    backup: USER_VOLUME_MOUNT_BACKUP,
    item: ({ mountPath }) => ({ mountPath, readOnly: true }),
  },
];

/**
 * Makes Istio's injector mount a volume of ours (the node's module directory, unless another is named) into the sidecar,
 * beside what the user mounts. The value found before our first volume is backed up. Throws `ANNOTATION_INVALID`, or
 * `ANNOTATION_CONFLICT` (usage) when the user mounts something else at that directory, or something else under our name.
 */
export function mountModules(annotations: Annotations, volume: ModuleVolume = FILES_VOLUME): AnnotationPatch {
  const changes: Record<string, string | null> = {};
  const kept: string[] = [];
  for (const slot of SLOTS) {
    const current = annotations[slot.annotation];
    const list = listOf(slot, current);
    const item = slot.item(volume);
    const present = itemsByName(list).get(volume.name);
    if (present === undefined) {
      refuseSameDirectory(slot, list, volume);
      changes[slot.annotation] = canonicalJson(withItem(list, volume.name, item));
      const backup = oursIn(list).length > 0 ? annotations[slot.backup] : undefined;
      changes[slot.backup] = backup ?? current ?? "";
    } else if (!sameJson(present, item)) {
      refuseOtherSource(slot, present, volume);
      kept.push(slot.annotation);
    }
  }
  return { changes: withoutEqual(changes, annotations), kept };
}

/**
 * Takes volumes of ours out again. When nothing of ours is left and the rest is still what was backed up, the backup
 * comes back word for word; when somebody changed it since, only our items go. Without a backup nothing here is ours.
 * Throws `ANNOTATION_INVALID`.
 */
export function unmountModules(annotations: Annotations, names: readonly string[] = [MODULE_VOLUME]): AnnotationPatch {
  const changes: Record<string, string | null> = {};
  for (const slot of SLOTS) {
    const backup = annotations[slot.backup];
    if (backup === undefined) continue;
    const current = annotations[slot.annotation];
    const list = listOf(slot, current);
    const going = oursIn(list).filter((name) => names.includes(name));
    const left = going.reduce<VolumeList>((rest, name) => withoutItem(rest, name), list);
    if (oursIn(left).length > 0) {
      if (going.length > 0) changes[slot.annotation] = canonicalJson(left.items);
      continue;
    }
    changes[slot.backup] = null;
    if (current !== undefined) changes[slot.annotation] = restored(slot, { current, left, backup });
  }
  return { changes: withoutEqual(changes, annotations), kept: [] };
}

/** Names of the volumes of ours that the annotations mount; one without a backup is the user's own. */
export function mountedModules(annotations: Annotations): readonly string[] {
  const names = SLOTS.flatMap((slot) =>
    annotations[slot.backup] === undefined ? [] : oursOrAny(listOf(slot, annotations[slot.annotation])),
  );
  return [...new Set(names)];
}

function restored(
  slot: Slot,
  values: { readonly current: string; readonly left: VolumeList; readonly backup: string },
): string | null {
  const { current, left, backup } = values;
  const before = backup === "" ? undefined : backup;
  if (sameJson(left.items, listOf(slot, before).items)) return before ?? null;
  if (sameJson(left.items, listOf(slot, current).items)) return current;
  return itemsByName(left).size === 0 ? null : canonicalJson(left.items);
}

/** Names of the items that are volumes of ours, or mounts of them. */
function oursIn(list: VolumeList): readonly string[] {
  return [...itemsByName(list)].filter(([name, item]) => isModuleVolume(name, item)).map(([name]) => name);
}

/** The same; our first volume's name when a backup is left over from it alone. */
function oursOrAny(list: VolumeList): readonly string[] {
  const names = oursIn(list);
  return names.length === 0 ? [MODULE_VOLUME] : names;
}

function listOf(slot: Slot, text: string | undefined): VolumeList {
  return text === undefined ? { form: "array", items: [] } : parseVolumeList(text, slot.annotation);
}

/** Kubernetes refuses pods in which two mounts of a container share a path. */
function refuseSameDirectory(slot: Slot, list: VolumeList, { mountPath }: ModuleVolume): void {
  for (const [name, item] of itemsByName(list)) {
    if (item["mountPath"] !== mountPath) continue;
    throw usageError(
      "ANNOTATION_CONFLICT",
      `the annotation ${slot.annotation} mounts ${JSON.stringify(name)} at ${mountPath}, where filters lie`,
      { hint: AWAY },
    );
  }
}

/** An item of our name that leads elsewhere: the proxy would be told of a file it does not have, and open no port. */
function refuseOtherSource(slot: Slot, present: JsonObject, volume: ModuleVolume): void {
  if (isModuleVolume(volume.name, present)) return;
  throw usageError(
    "ANNOTATION_CONFLICT",
    `the annotation ${slot.annotation} has another item called ${volume.name}, not the node's ${MODULE_DIRECTORY}`,
    { hint: AWAY.replace("mount it elsewhere", "rename it") },
  );
}

const AWAY = "mount it elsewhere, or deploy with --delivery cache-http: no volume is needed then";

function withoutEqual(
  changes: Readonly<Record<string, string | null>>,
  annotations: Annotations,
): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.entries(changes).filter(([key, value]) => (annotations[key] ?? null) !== value));
}
