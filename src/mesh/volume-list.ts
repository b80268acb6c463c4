import { usageError } from "../domain/errors.ts";
import { isObject, type Json, type JsonObject, tryParseJson } from "../domain/json.ts";

/**
 * The value of `sidecar.istio.io/userVolume` or `userVolumeMount`: Istio takes a JSON array of items with their own
 * `name`, or an object of items by name.
 */
export type VolumeList =
  | { readonly form: "array"; readonly items: readonly JsonObject[] }
  | { readonly form: "object"; readonly items: { readonly [name: string]: JsonObject } };

/** Reads the annotation. Throws `ANNOTATION_INVALID` (usage): Istio would refuse such pods. */
export function parseVolumeList(text: string, annotation: string): VolumeList {
  const value = tryParseJson(text);
  if (Array.isArray(value) && value.every(isObject)) return { form: "array", items: value as readonly JsonObject[] };
  if (isObject(value) && Object.values(value).every(isObject)) {
    return { form: "object", items: value as { readonly [name: string]: JsonObject } };
  }
  throw usageError("ANNOTATION_INVALID", `the annotation ${annotation} is not a JSON array or object of objects`, {
    hint: `correct it in the pod template; it looks like [{"name":"data","emptyDir":{}}]`,
  });
}

/** The items without their names, by name; array items that have none keep their place as `#0`, `#1`. */
export function itemsByName(list: VolumeList): ReadonlyMap<string, JsonObject> {
  if (list.form === "object") return new Map(Object.entries(list.items));
  return new Map(
    list.items.map(({ name, ...item }, at) => [typeof name === "string" ? name : `#${at}`, item] as const),
  );
}

/** The list with `item` added under `name`, in the list's own form. */
export function withItem(list: VolumeList, name: string, item: JsonObject): Json {
  if (list.form === "object") return { ...list.items, [name]: item };
  return [...list.items, { name, ...item }];
}

/** The list without the item called `name`, in the list's own form. */
export function withoutItem(list: VolumeList, name: string): VolumeList {
  if (list.form === "array") return { form: "array", items: list.items.filter((item) => item["name"] !== name) };
  const { [name]: _removed, ...items } = list.items;
  return { form: "object", items };
}
