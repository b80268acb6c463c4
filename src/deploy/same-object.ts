import { isObject } from "../domain/json.ts";
import type { KubeObject } from "../kube/objects.ts";

/** Metadata the server writes: it differs from one read to the next without anybody having changed anything. */
const SERVER_METADATA: ReadonlySet<string> = new Set([
  "managedFields",
  "resourceVersion",
  "generation",
  "uid",
  "creationTimestamp",
  "selfLink",
]);

/** An object without status and server-written metadata: what a person compares. */
export function comparable(object: KubeObject): KubeObject {
  const { status: _status, apiVersion, kind, ...rest } = object;
  const metadata = Object.fromEntries(Object.entries(object.metadata).filter(([key]) => !SERVER_METADATA.has(key)));
  // Servers order them differently in lists and in answers to writes: no difference to show.
  return { apiVersion, kind, ...rest, metadata } as KubeObject;
}

/** True when two reads of an object are the same to a person. */
export function sameObject(a: KubeObject, b: KubeObject): boolean {
  return sameValue(comparable(a), comparable(b));
}

/** Prefixes of label and annotation keys that nobody but us writes. */
const OUR_KEY = /^wasme\.io\//u;

/**
 * True when `live`, an object only we write, says what `wanted` does: the same in every field but metadata, with the
 * same keys of ours in labels and annotations, and with its owners.
 */
export function says(live: KubeObject, wanted: KubeObject): boolean {
  const { metadata: _live, status: _status, ...there } = live;
  const { metadata: _wanted, ...asked } = wanted;
  return sameValue(there, asked) && saysMetadata(live.metadata, wanted.metadata);
}

function saysMetadata(live: KubeObject["metadata"], wanted: KubeObject["metadata"]): boolean {
  const ours = (map: Readonly<Record<string, string>> = {}): unknown =>
    Object.fromEntries(Object.entries(map).filter(([key]) => OUR_KEY.test(key)));
  return (
    sameValue(ours(live.labels), ours(wanted.labels)) &&
    sameValue(ours(live.annotations), ours(wanted.annotations)) &&
    covers(live.labels, wanted.labels ?? {}) &&
    covers(live.annotations, wanted.annotations ?? {}) &&
    covers(ownersOf(live), ownersOf(wanted))
  );
}

function ownersOf(metadata: KubeObject["metadata"]): unknown {
  const { ownerReferences = [] } = metadata as { readonly ownerReferences?: readonly { readonly uid: string }[] };
  return Object.fromEntries(ownerReferences.map((owner) => [owner.uid, owner]));
}

/**
 * True when `live` has everything that `wanted` says; defaults and other people's fields in `live` do not matter.
 * Lists must have the same length, except that a field we removed since is not noticed.
 */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) && live.length === wanted.length && wanted.every((item, index) => covers(live[index], item))
    );
  }
  if (!isObject(wanted)) return live === wanted;
  // An empty map or list is often not stored at all.
  if (live === undefined) return Object.keys(wanted).length === 0;
  return isObject(live) && Object.entries(wanted).every(([key, value]) => covers(live[key], value));
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameValue(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameValue(a[key], b[key]));
}
