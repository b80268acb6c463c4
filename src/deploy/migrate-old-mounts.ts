import { isObject, type JsonObject, tryParseJson } from "../domain/json.ts";
import { canonicalJson, sameJson } from "../mesh/canonical-json.ts";
import {
  type Annotations,
  USER_VOLUME,
  USER_VOLUME_BACKUP,
  USER_VOLUME_MOUNT,
  USER_VOLUME_MOUNT_BACKUP,
} from "../mesh/sidecar-annotations.ts";
import { itemsByName, parseVolumeList, type VolumeList } from "../mesh/volume-list.ts";
import { OLD_BACKUPS, OLD_DIRECTORY, OLD_VOLUME } from "./migrate-old-names.ts";

/** What to write into the pod template's annotations; empty when the old tool left nothing there. */
export interface OldMounts {
  readonly changes: Readonly<Record<string, string | null>>;
  /** Annotations that cannot be read: they stay as they are, with what belongs to them. */
  readonly unclear: readonly string[];
}

/**
 * Takes what the old tool left out of a pod template's annotations: its volume and mount, and its backups. What the
 * user mounts is rebuilt from the annotation itself, as everything but `cache-dir`: the old backups may hold the old
 * tool's own value, or be lost. One that says the same gives its wording, so that nothing changes in the user's eyes.
 */
export function stripOldMounts(annotations: Annotations): OldMounts {
  const changes: Record<string, string | null> = {};
  const unclear: string[] = [];
  for (const { annotation, todaysBackup } of SLOTS) {
    const oldBackup = OLD_BACKUPS[annotation] ?? "";
    const current = annotations[annotation];
    if (current !== undefined && !isList(current)) {
      if (current.includes(OLD_VOLUME) || annotations[oldBackup] !== undefined) unclear.push(annotation);
      continue;
    }
    const wording = annotations[oldBackup];
    if (wording !== undefined) changes[oldBackup] = null;
    const left = withoutOld(current, annotation, wording);
    if (left !== undefined) changes[annotation] = left === "" ? null : left;
    // Taken by today's tool while the old volume was there.
    const backup = withoutOld(annotations[todaysBackup], annotation, wording);
    if (backup !== undefined) changes[todaysBackup] = backup;
  }
  return { changes, unclear };
}

const SLOTS = [
  { annotation: USER_VOLUME, todaysBackup: USER_VOLUME_BACKUP },
  { annotation: USER_VOLUME_MOUNT, todaysBackup: USER_VOLUME_MOUNT_BACKUP },
] as const;

/** The text without the old item, empty when nothing else is in it; `undefined` when it holds none. */
function withoutOld(text: string | undefined, annotation: string, wording: string | undefined): string | undefined {
  if (text === undefined || !isList(text)) return undefined;
  const list = parseVolumeList(text, annotation);
  const old = [...itemsByName(list)].filter(([name, item]) => isOld(name, item));
  if (old.length === 0) return undefined;
  const left = others(list);
  if (wording !== undefined && isList(wording) && sameJson(tryParseJson(wording) as JsonObject, left)) return wording;
  return Object.keys(left).length === 0 ? "" : canonicalJson(left);
}

function others(list: VolumeList): JsonObject | readonly JsonObject[] {
  if (list.form === "array") {
    return list.items.filter(({ name, ...item }) => !isOld(typeof name === "string" ? name : "", item));
  }
  return Object.fromEntries(Object.entries(list.items).filter(([name, item]) => !isOld(name, item)));
}

/** By name and place: the user may have a volume of that name, or mount that directory under another. */
function isOld(name: string, item: JsonObject): boolean {
  const { hostPath, mountPath } = item;
  if (name !== OLD_VOLUME) return false;
  return mountPath === OLD_DIRECTORY || (isObject(hostPath) && hostPath["path"] === OLD_DIRECTORY);
}

function isList(text: string): boolean {
  const value = tryParseJson(text);
  if (Array.isArray(value)) return value.every(isObject);
  return isObject(value) && Object.values(value).every(isObject);
}
