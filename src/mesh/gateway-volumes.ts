import { usageError, WasmeError } from "../domain/errors.ts";
import { isObject, type Json, type JsonObject } from "../domain/json.ts";
import { sameJson } from "./canonical-json.ts";
import { MODULE_VOLUME } from "./module-path.ts";
import { FILES_VOLUME, isModuleVolume, type ModuleVolume } from "./module-volume.ts";

/** The container that is the proxy, in gateways as in sidecars. */
export const PROXY_CONTAINER = "istio-proxy";

/**
 * The pod spec of a gateway with a volume of ours (the node's module directory, unless another is named) mounted into its
 * proxy; the same object when it is there already. Sidecar annotations do nothing on gateways. Throws `GATEWAY_NO_PROXY`
 * (incompatible) when there is no container `istio-proxy`, `VOLUME_CONFLICT` (usage) when our name or directory is taken.
 */
export function mountOnGateway(podSpec: JsonObject, volume: ModuleVolume = FILES_VOLUME): JsonObject {
  const containers = objects(podSpec["containers"]);
  const proxy = containers.find((container) => container["name"] === PROXY_CONTAINER);
  if (proxy === undefined) throw noProxy();
  const volumes = withEntry(objects(podSpec["volumes"]), { name: volume.name, ...volume.source }, "name");
  const mount = { name: volume.name, mountPath: volume.mountPath, readOnly: true };
  const mounts = withEntry(objects(proxy["volumeMounts"]), mount, "mountPath");
  const changed = containers.map((container) => (container === proxy ? { ...proxy, volumeMounts: mounts } : container));
  const result = { ...podSpec, volumes, containers: changed };
  return sameJson(result, podSpec) ? podSpec : result;
}

/** The pod spec without these volumes of ours and their mounts; the same object when none is there. */
export function unmountFromGateway(podSpec: JsonObject, names: readonly string[] = [MODULE_VOLUME]): JsonObject {
  const containers = objects(podSpec["containers"]).map((container) =>
    container["name"] === PROXY_CONTAINER
      ? replaced(container, "volumeMounts", without(container["volumeMounts"], names))
      : container,
  );
  const result = replaced({ ...podSpec, containers }, "volumes", without(podSpec["volumes"], names));
  return sameJson(result, podSpec) ? podSpec : result;
}

/** Names of the volumes of ours in a gateway's pod spec. */
export function mountedOnGateway(podSpec: JsonObject): readonly string[] {
  const proxy = objects(podSpec["containers"]).find((container) => container["name"] === PROXY_CONTAINER);
  const items = [...objects(podSpec["volumes"]), ...objects(proxy?.["volumeMounts"])];
  return [...new Set(items.filter((item) => isOurs(item)).map((item) => nameOf(item)))];
}

function withEntry(list: readonly JsonObject[], entry: JsonObject, key: "name" | "mountPath"): readonly JsonObject[] {
  const present = list.find((item) => item[key] === entry[key]);
  if (present === undefined) return [...list, entry];
  if (sameJson(withoutDefaults(present), entry)) return list;
  throw usageError(
    "VOLUME_CONFLICT",
    `the gateway already has another volume or mount with ${key} ${JSON.stringify(entry[key])}`,
    {
      hint: "rename it, or deploy with --delivery cache-http: no volume is needed then",
    },
  );
}

/** The API server adds `recursiveReadOnly` and the like only when asked; an empty `subPath` is the only default seen. */
function withoutDefaults(item: JsonObject): JsonObject {
  const { subPath, ...rest } = item;
  return subPath === "" || subPath === undefined ? rest : item;
}

function without(list: Json | undefined, names: readonly string[]): readonly JsonObject[] {
  return objects(list).filter((item) => !(isOurs(item) && names.includes(nameOf(item))));
}

function isOurs(item: JsonObject): boolean {
  return isModuleVolume(nameOf(item), item);
}

function nameOf(item: JsonObject): string {
  const { name } = item;
  return typeof name === "string" ? name : "";
}

/** Sets `key`, or leaves it out when the list is empty and was not there before. */
function replaced(value: JsonObject, key: string, list: readonly JsonObject[]): JsonObject {
  const { [key]: before, ...rest } = value;
  if (list.length > 0) return { ...value, [key]: list };
  return before === undefined || objects(before).length > 0 ? rest : value;
}

function objects(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((item): item is JsonObject => isObject(item)) : [];
}

function noProxy(): Error {
  return new WasmeError(
    "incompatible",
    "GATEWAY_NO_PROXY",
    `the gateway's pod template has no container ${PROXY_CONTAINER}`,
    {
      hint: "deploy with --delivery cache-http: the proxy then fetches the module itself",
    },
  );
}
