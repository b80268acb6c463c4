import { type Delivery, DELIVERIES } from "../domain/delivery.ts";
import { digestParts, isDigest } from "../domain/digest.ts";
import type { KubeObject } from "../kube/objects.ts";
import {
  CACHE_ANNOTATION,
  DELIVERY_ANNOTATION,
  FILTER_LABEL,
  IMAGE_DIGEST_ANNOTATION,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  WORKLOAD_KIND_LABEL,
  WORKLOAD_LABEL,
  workloadLabel,
} from "../mesh/names.ts";
import { MODULE_VOLUME } from "../mesh/module-path.ts";
import { imageVolumeName } from "../mesh/module-volume.ts";
import { type ClusterDeps, type Via, VIAS } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";
import { VIA_KIND } from "./via-kind.ts";

/** An object that carries a filter, and how. */
export interface OurObject {
  readonly via: Via;
  readonly object: KubeObject;
}

/** The filters' objects of a namespace or of the whole cluster, read once. */
export interface FilterObjects {
  /** All objects of the kind, ours and others'; absent for a kind we may not list, or that is not served. */
  readonly byVia: ReadonlyMap<Via, readonly KubeObject[]>;
  /** Served kinds we may not list. */
  readonly denied: readonly Via[];
}

/** Which of the kinds the cluster serves. */
export async function servedVias(deps: ClusterDeps): Promise<ReadonlySet<Via>> {
  const answers = await Promise.all(VIAS.map((via) => deps.port.served(VIA_KIND[via], deps.signal)));
  return new Set(VIAS.filter((_, index) => answers[index]));
}

/**
 * Reads the filters' objects: of a namespace everything, so that a name somebody else uses is seen too; without one, ours
 * in all namespaces.
 */
export async function readFilterObjects(
  deps: ClusterDeps,
  served: ReadonlySet<Via>,
  namespace?: string,
): Promise<FilterObjects> {
  const ours = { labelSelector: labelText({ [MANAGED_BY_LABEL]: MANAGED_BY }) };
  const scope = namespace === undefined ? ours : { namespace };
  const found = await Promise.all(
    [...served].map(async (via) => {
      const listed = await deniedAsUndefined(deps.port.list({ kind: VIA_KIND[via], ...scope }, deps.signal));
      if (listed === undefined) {
        deps.events({ type: "debug", message: `not allowed to list ${VIA_KIND[via].plural}: taken as none` });
      }
      return [via, listed?.items] as const;
    }),
  );
  return {
    byVia: new Map(found.flatMap(([via, items]) => (items === undefined ? [] : [[via, items] as const]))),
    denied: found.flatMap(([via, items]) => (items === undefined ? [via] : [])),
  };
}

/** Those of them that we made, of all filters. */
export function oursAmong(objects: FilterObjects): readonly OurObject[] {
  const known = ours.get(objects);
  if (known !== undefined) return known;
  const found = [...objects.byVia].flatMap(([via, items]) =>
    items.filter((object) => isOurs(object)).map((object) => ({ via, object })),
  );
  ours.set(objects, found);
  return found;
}

/** A plan asks several times, of a thousand objects. */
const ours = new WeakMap<FilterObjects, readonly OurObject[]>();

/** Those of a thousand objects of one namespace that have the names of a few, by name. */
export function objectsNamed(
  objects: readonly KubeObject[],
  wanted: readonly KubeObject[],
): ReadonlyMap<string, KubeObject> {
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  const found = new Map<string, KubeObject>();
  for (const object of objects) if (names.has(object.metadata.name)) found.set(object.metadata.name, object);
  return found;
}

/** True for an object with our label. */
export function isOurs(object: KubeObject): boolean {
  return object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
}

/** True when our object carries filter `id`. */
export function isOfFilter({ object }: OurObject, id: string): boolean {
  return object.metadata.labels?.[FILTER_LABEL] === id;
}

/** True when our object is for this workload. */
export function isFor(object: KubeObject, workload: NamedWorkload): boolean {
  return objectKey(object) === workloadKey(workload);
}

/** A workload of a namespace that is known. */
export interface NamedWorkload {
  readonly kind: string;
  readonly name: string;
}

/** What a workload and our objects for it have in common, in one namespace: of many, they are found by it. */
export function workloadKey({ kind, name }: NamedWorkload): string {
  return `${kind.toLowerCase()}/${workloadLabel(name)}`;
}

/** The {@link workloadKey} of the workload our object is for. */
export function objectKey({ metadata: { labels = {} } }: KubeObject): string {
  return `${labels[WORKLOAD_KIND_LABEL] ?? ""}/${labels[WORKLOAD_LABEL] ?? ""}`;
}

/** Our objects by {@link objectKey}. */
export function byWorkload(objects: readonly KubeObject[]): ReadonlyMap<string, readonly KubeObject[]> {
  const found = new Map<string, KubeObject[]>();
  for (const object of objects) {
    const same = found.get(objectKey(object));
    if (same === undefined) found.set(objectKey(object), [object]);
    else same.push(object);
  }
  return found;
}

/** How our object's module gets to the proxies; older objects do not say, and their kind tells. */
export function deliveryOf(object: KubeObject): Delivery {
  const text = object.metadata.annotations?.[DELIVERY_ANNOTATION];
  const told = DELIVERIES.find((delivery) => delivery === text);
  return told ?? (object.kind === VIA_KIND.envoyfilter.kind ? "cache-file" : "registry");
}

/** Name of the volume our object's module is read through; `undefined` when it needs none. */
export function volumeOf(object: KubeObject): string | undefined {
  const delivery = deliveryOf(object);
  if (delivery === "cache-file") return MODULE_VOLUME;
  const digest = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION] ?? "";
  return delivery === "image-volume" && isDigest(digest) ? imageVolumeName(digestParts(digest).hex) : undefined;
}

/** Which entry of which cache (`namespace/name`) our object's module comes from; `undefined` when from none. */
export function cacheUseOf(object: KubeObject): { readonly cache: string; readonly key: string } | undefined {
  const cache = object.metadata.annotations?.[CACHE_ANNOTATION];
  const digest = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION] ?? "";
  if (cache?.includes("/") !== true || !isDigest(digest)) return undefined;
  const { algorithm, hex } = digestParts(digest);
  return { cache, key: `${algorithm}-${hex}` };
}
