import { isObject, type JsonObject } from "../domain/json.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cacheEntryPatch } from "../mesh/cache-objects.ts";
import type { ClusterDeps } from "./request.ts";

/** An entry of a cache's list. */
export interface ListEntry {
  readonly key: string;
  readonly value: string;
}

/** An entry that is to go, and the filter (`namespace/id`) it goes with. */
export interface GoingEntry {
  readonly key: string;
  readonly from: string;
}

/** Annotations of the list's ConfigMap: the entry with these first digits is to go with the filter in the value. */
const MARK = "wasme.io/going-";
/** Characters of a key that make the annotation's name no longer than Kubernetes allows. */
const MARK_LENGTH = 48;

/**
 * Puts an entry onto a cache's list and takes the mark that it is to go away; `undefined` when there is nothing to do, or
 * no list.
 */
export async function announceEntry(
  deps: Pick<ClusterDeps, "port" | "signal">,
  ref: ObjectRef,
  entry: ListEntry,
): Promise<KubeObject | undefined> {
  const live = await deps.port.get(ref, deps.signal);
  if (live === undefined || isAnnounced(live, entry)) return undefined;
  return deps.port.patch(ref, announcePatch(entry), { signal: deps.signal });
}

/** True when the list has the entry, and it is to stay. */
export function isAnnounced(list: KubeObject, { key, value }: ListEntry): boolean {
  return stringMapAt(list, "data")[key] === value && !isMarked(list, key);
}

/** The merge patch that puts an entry on. */
export function announcePatch(entry: ListEntry): JsonObject {
  return { ...cacheEntryPatch([entry]), ...markPatch(entry.key, null) };
}

/** The merge patch that takes an entry out, with its mark. */
export function releasePatch(key: string): JsonObject {
  return { ...cacheEntryPatch([{ key, value: null }]), ...markPatch(key, null) };
}

/** The merge patch that marks an entry as going, or with `null` as staying. */
export function markPatch(key: string, from: string | null): JsonObject {
  return { metadata: { annotations: { [markName(key)]: from } } };
}

/** True when the entry is marked as going. */
export function isMarked(list: KubeObject, key: string): boolean {
  return stringMapAt(list, "metadata", "annotations")[markName(key)] !== undefined;
}

/** The entries that are marked as going. */
export function markedEntries(list: KubeObject | undefined): readonly GoingEntry[] {
  const marks = isObject(list) ? stringMapAt(list, "metadata", "annotations") : {};
  const keys = Object.keys(isObject(list) ? stringMapAt(list, "data") : {});
  return keys.flatMap((key) => {
    const from = marks[markName(key)];
    return from === undefined ? [] : [{ key, from }];
  });
}

function markName(key: string): string {
  return `${MARK}${key.slice(0, MARK_LENGTH)}`;
}
