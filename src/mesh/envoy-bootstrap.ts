import { isObject, type Json, type JsonObject } from "../domain/json.ts";

/** A bootstrap with the filter in it, and in how many HTTP connection managers it now stands. */
export interface InsertedFilter {
  readonly bootstrap: JsonObject;
  /** Connection managers changed; 0 is the caller's error to report. */
  readonly inserted: number;
  /** Connection managers in Envoy's retired v2 form, which no current Envoy reads. */
  readonly outdated: number;
  /** Connection managers that have no router to stand before. */
  readonly withoutRouter: number;
}

const MANAGER_TYPE = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER_TYPE = "envoy.extensions.filters.http.router.v3.Router";
const WASM_TYPE = "envoy.extensions.filters.http.wasm.v3.Wasm";
const ROUTER_NAMES: ReadonlySet<string> = new Set(["envoy.filters.http.router", "envoy.router"]);
const OLD_MANAGER_NAMES: ReadonlySet<string> = new Set([
  "envoy.http_connection_manager",
  "envoy.filters.network.http_connection_manager",
]);

/**
 * Puts `filter` (an entry of `http_filters`) right before the router of every HTTP connection manager of a v3
 * bootstrap: all static listeners, all their filter chains, the default chain too, in snake_case or camelCase. A
 * Wasm filter of the same name is replaced where it stands. The given object is not changed.
 */
export function insertIntoBootstrap(bootstrap: JsonObject, filter: JsonObject): InsertedFilter {
  const counts = { inserted: 0, outdated: 0, withoutRouter: 0 };
  const changed = editField(bootstrap, ["static_resources", "staticResources"], (resources) =>
    editField(resources, ["listeners"], (listeners) =>
      eachObject(listeners, (item) => editListener(item, filter, counts)),
    ),
  );
  return { bootstrap: isObject(changed) ? changed : bootstrap, ...counts };
}

interface Counts {
  inserted: number;
  outdated: number;
  withoutRouter: number;
}

function editListener(listener: JsonObject, filter: JsonObject, counts: Counts): Json {
  const editChain = (chain: Json): Json =>
    editField(chain, ["filters"], (filters) => eachObject(filters, (item) => editNetworkFilter(item, filter, counts)));
  const withChains = editField(listener, ["filter_chains", "filterChains"], (chains) => eachObject(chains, editChain));
  return editField(withChains, ["default_filter_chain", "defaultFilterChain"], editChain);
}

function editNetworkFilter(networkFilter: JsonObject, filter: JsonObject, counts: Counts): Json {
  const config = networkFilter["typed_config"] ?? networkFilter["typedConfig"];
  if (isObject(config) && isType(config["@type"], MANAGER_TYPE)) {
    return editField(networkFilter, ["typed_config", "typedConfig"], (manager) => editManager(manager, filter, counts));
  }
  const wrapped = isObject(config) ? (config["type_url"] ?? config["typeUrl"]) : undefined;
  if (isType(wrapped, MANAGER_TYPE)) {
    return editField(networkFilter, ["typed_config", "typedConfig"], (struct) =>
      editField(struct, ["value"], (manager) => editManager(manager, filter, counts)),
    );
  }
  if (config === undefined && isNamed(networkFilter, OLD_MANAGER_NAMES)) counts.outdated += 1;
  return networkFilter;
}

function editManager(manager: Json, filter: JsonObject, counts: Counts): Json {
  let found = false;
  const camel = isObject(manager) && manager["httpFilters"] !== undefined;
  const changed = editField(manager, ["http_filters", "httpFilters"], (list) => {
    const placed = Array.isArray(list) ? place(list, camel ? camelCase(filter) : filter) : undefined;
    found = placed !== undefined;
    return placed ?? list;
  });
  if (found) counts.inserted += 1;
  else counts.withoutRouter += 1;
  return changed;
}

function place(list: readonly Json[], filter: JsonObject): readonly Json[] | undefined {
  if (list.some((item) => isOlder(item, filter))) return list.map((item) => (isOlder(item, filter) ? filter : item));
  const router = list.findIndex(isRouter);
  return router === -1 ? undefined : list.toSpliced(router, 0, filter);
}

/** The same filter from an earlier run. Anything else of its name, be it the router or a JWT filter, is not ours. */
function isOlder(item: Json, filter: JsonObject): boolean {
  if (!isObject(item) || item["name"] !== filter["name"]) return false;
  const config = item["typed_config"] ?? item["typedConfig"];
  return isObject(config) && isType(config["@type"], WASM_TYPE);
}

function isRouter(item: Json): boolean {
  if (!isObject(item)) return false;
  const config = item["typed_config"] ?? item["typedConfig"];
  if (isObject(config) && isType(config["@type"], ROUTER_TYPE)) return true;
  return config === undefined && isNamed(item, ROUTER_NAMES);
}

function isNamed(item: JsonObject, names: ReadonlySet<string>): boolean {
  const { name } = item;
  return typeof name === "string" && names.has(name);
}

function isType(url: unknown, type: string): boolean {
  return typeof url === "string" && url.slice(url.lastIndexOf("/") + 1) === type;
}

/** Replaces the first of these fields that is there by what `edit` makes of it. */
function editField(value: Json, names: readonly string[], edit: (field: Json) => Json): Json {
  if (!isObject(value)) return value;
  const name = names.find((candidate) => value[candidate] !== undefined);
  const field = name === undefined ? undefined : value[name];
  return name === undefined || field === undefined ? value : { ...value, [name]: edit(field) };
}

function eachObject(list: Json, edit: (item: JsonObject) => Json): Json {
  if (!Array.isArray(list)) return list;
  return list.map((item: Json) => (isObject(item) ? edit(item) : item));
}

/** Field names in protobuf's JSON form; strings that are data, like a plugin config, are values and stay. */
function camelCase(value: JsonObject): JsonObject {
  const entries = Object.entries(value).map(([name, item]) => [
    camelName(name),
    isObject(item) ? camelCase(item) : item,
  ]);
  return Object.fromEntries(entries) as JsonObject;
}

function camelName(name: string): string {
  return name.replaceAll(/_([a-z])/gu, (_all, letter: string) => letter.toUpperCase());
}
