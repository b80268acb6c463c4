import type { Given } from "./model.ts";

/** What was given for all, with a test's own laid over it: key by key within each kind. */
export function mergeGiven(base: Given = {}, own: Given = {}): Given {
  const merged = (key: "shared" | "queues" | "properties" | "metadata" | "filterState"): object =>
    base[key] === undefined && own[key] === undefined ? {} : { [key]: { ...base[key], ...own[key] } };
  return {
    ...base,
    ...own,
    ...merged("shared"),
    ...merged("queues"),
    ...merged("properties"),
    ...merged("metadata"),
    ...merged("filterState"),
  };
}
