import { isObject, tryParseJson } from "../domain/json.ts";
import { at, listAt, stringAt } from "../kube/objects.ts";

/** What a proxy counts of modules: all filters of the pod together, since it started. */
export interface ProxyStats {
  /** Modules that Istio's agent fetched and checked; `undefined` when it counts none, for instance since none is fetched. */
  readonly fetched: number | undefined;
  /** Fetches and conversions that failed, by the agent's word for why. */
  readonly failures: ReadonlyMap<string, number>;
  /** Virtual machines that Envoy runs now; `undefined` when it does not tell. */
  readonly running: number | undefined;
}

/**
 * Reads a page of metrics in Prometheus' text format: the agent's `istio_agent_wasm_*`, and Envoy's `wasm.*` as it renames
 * them. Whatever else is there is passed over.
 */
export function parseProxyStats(page: string): ProxyStats {
  const samples = page.split("\n").flatMap((line) => sampleOf(line) ?? []);
  const agent = samples.filter(({ name }) => AGENT.test(name));
  const failures = new Map<string, number>();
  for (const { result, value } of agent) {
    if (value > 0 && isFailure(result)) failures.set(result, (failures.get(result) ?? 0) + value);
  }
  return {
    fetched: sum(agent.filter(({ name, result }) => name.includes("fetch") && result === "success")),
    failures,
    running: sum(samples.filter(({ name }) => /^envoy_wasm_.*_active$/u.test(name))),
  };
}

interface Sample {
  readonly name: string;
  /** Its label `result`; empty without one. */
  readonly result: string;
  readonly value: number;
}

function sampleOf(line: string): Sample | undefined {
  const found = SAMPLE.exec(line);
  if (found === null) return undefined;
  const [, name = "", labels = "", text = ""] = found;
  const value = Number(text);
  return Number.isFinite(value) ? { name, result: /result="([^"]*)"/u.exec(labels)?.[1] ?? "", value } : undefined;
}

function sum(samples: readonly Sample[]): number | undefined {
  return samples.length === 0 ? undefined : samples.reduce((total, { value }) => total + value, 0);
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/u;
const AGENT = /^istio_agent_wasm_(?:remote_fetch|config_conversion)_count(?:_total)?$/u;

/** A filter without a module to load is converted to itself: that is no failure. */
function isFailure(result: string): boolean {
  return result !== "" && result !== "success" && result !== "no_remote_load";
}

/** What Envoy has under the name of an extension it discovers. */
export type DiscoveredFilter =
  | { readonly kind: "wasm"; readonly text: string }
  /** Istio's agent puts such a filter in the place of a module that it could not fetch. */
  | { readonly kind: "stand-in" }
  | { readonly kind: "other"; readonly type: string };

/**
 * Finds an extension in Envoy's `/config_dump?resource=ecds_filters` by the end of its name, which Istio makes of
 * namespace and object; `undefined` when Envoy has none of that name, or the text is something else.
 */
export function findDiscovered(dump: string, nameEnd: string): DiscoveredFilter | undefined {
  for (const config of listAt(tryParseJson(dump), "configs")) {
    const filter = at(config, "ecds_filter");
    const name = stringAt(filter, "name") ?? "";
    if (name !== nameEnd && !name.endsWith(`/${nameEnd}`)) continue;
    const typed = at(filter, "typed_config");
    const type = stringAt(typed, "type_url") ?? stringAt(typed, "@type") ?? "";
    if (type.endsWith(".http.wasm.v3.Wasm"))
      return { kind: "wasm", text: JSON.stringify(isObject(typed) ? typed : {}) };
    return type.endsWith(".http.rbac.v3.RBAC") ? { kind: "stand-in" } : { kind: "other", type };
  }
  return undefined;
}
