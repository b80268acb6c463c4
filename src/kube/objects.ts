import { isObject } from "../domain/json.ts";

/** Metadata of an object as far as we read it; whatever else the server sent stays in it. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Opaque; equal means that nothing was written in between. */
  readonly resourceVersion?: string;
  /** Grows when the spec changes, not when metadata or status does. */
  readonly generation?: number;
  readonly uid?: string;
  readonly deletionTimestamp?: string;
  readonly managedFields?: readonly ManagedFields[];
}

/** Who owns which fields (server-side apply); we only read who. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly fieldsV1?: unknown;
  readonly [field: string]: unknown;
}

/**
 * Any Kubernetes object as untyped JSON. Fields we have never heard of survive a read and a write, which the
 * typed models of client libraries do not guarantee.
 */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/** True for something shaped like a Kubernetes object. */
export function isKubeObject(value: unknown): value is KubeObject {
  if (!isObject(value)) return false;
  const { apiVersion, kind, metadata } = value;
  return typeof apiVersion === "string" && typeof kind === "string" && isObject(metadata);
}

/** The value below `path`, `undefined` as soon as a step is missing. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here: unknown = value;
  for (const step of path) {
    if (!isObject(here)) return undefined;
    here = here[step];
  }
  return here;
}

/** The number below `path`, or `fallback`. Kubernetes leaves zero counters out, so 0 is the usual fallback. */
export function numberAt(value: unknown, path: readonly string[], fallback = 0): number {
  const found = at(value, ...path);
  return typeof found === "number" ? found : fallback;
}

/** The string below `path`. */
export function stringAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === "string" ? found : undefined;
}

/** The list below `path`; empty when there is none. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The string map below `path` (labels, annotations); entries that are no strings are left out. */
export function stringMapAt(value: unknown, ...path: readonly string[]): Readonly<Record<string, string>> {
  const found = at(value, ...path);
  if (!isObject(found)) return {};
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
