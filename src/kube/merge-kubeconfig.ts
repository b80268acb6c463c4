import { isObject } from "../domain/json.ts";

/** A kubeconfig as parsed, before anything was checked. */
export type RawKubeconfig = Readonly<Record<string, unknown>>;

/**
 * Merges kubeconfigs by kubectl's rules: of each named cluster, user and context the first one wins, and so does
 * the first `current-context`.
 */
export function mergeKubeconfigs(configs: readonly RawKubeconfig[]): RawKubeconfig {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: firstOfEachName(configs, "clusters"),
    users: firstOfEachName(configs, "users"),
    contexts: firstOfEachName(configs, "contexts"),
    "current-context": configs.map((config) => config["current-context"]).find(isFilled) ?? "",
  };
}

function firstOfEachName(configs: readonly RawKubeconfig[], key: string): readonly unknown[] {
  const byName = new Map<unknown, unknown>();
  for (const config of configs) {
    const list = config[key];
    for (const entry of Array.isArray(list) ? list : []) {
      if (isObject(entry) && !byName.has(entry["name"])) byName.set(entry["name"], entry);
    }
  }
  return [...byName.values()];
}

function isFilled(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
