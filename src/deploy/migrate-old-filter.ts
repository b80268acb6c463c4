import { type Digest, isDigest } from "../domain/digest.ts";
import type { PatchContext } from "../domain/filter.ts";
import { isObject } from "../domain/json.ts";
import { at, type KubeObject, listAt, stringAt, stringMapAt } from "../kube/objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { isOldManaged, OLD_DIRECTORY } from "./migrate-old-names.ts";

/** A filter as the old tool left it in an EnvoyFilter. The image is nowhere in it, only the module's hash. */
export interface OldFilter {
  readonly object: KubeObject;
  readonly namespace: string;
  readonly id: string;
  readonly rootId: string;
  /** Plugin config, verbatim. */
  readonly config: string | undefined;
  readonly moduleDigest: Digest;
  readonly patchContext: PatchContext;
  /** All labels the workload's pods had then. */
  readonly selector: Readonly<Record<string, string>>;
  /** Name of the workload, of whatever kind. */
  readonly workload: string;
  /** True for filter names that Istio knows no more since 1.19: there the object does nothing. */
  readonly deadNames: boolean;
  /** Name of the FilterDeployment that owns it, when the old operator made it. */
  readonly owner: string | undefined;
}

/** What an EnvoyFilter is to us. */
export type OldReading =
  | { readonly type: "old"; readonly filter: OldFilter }
  /** Of the old tool or made like it, but not to be understood: it stays, and so does what it needs. */
  | { readonly type: "unclear"; readonly object: KubeObject; readonly why: string };

/**
 * Reads an EnvoyFilter of the old tool, by its field manager or its shape, in both forms it wrote (`typedConfig`, and
 * `config` for Istio up to 1.6). `undefined` for anything that has nothing to do with it, today's objects among them.
 */
export function readOldFilter(object: KubeObject): OldReading | undefined {
  if (object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY) return undefined;
  const patches = listAt(object, "spec", "configPatches");
  const uses = JSON.stringify(patches).includes(`${OLD_DIRECTORY}/`);
  if (!uses && !isOldManaged(object)) return undefined;
  const [patch] = patches;
  const plugin = patches.length === 1 ? pluginOf(at(patch, "patch", "value")) : undefined;
  if (plugin === undefined) return { type: "unclear", object, why: "it is not the one patch the old tool wrote" };
  const read = readPlugin(object, plugin);
  if (typeof read === "string") return { type: "unclear", object, why: read };
  const patchContext = CONTEXTS[stringAt(patch, "match", "context") ?? ""];
  if (patchContext === undefined)
    return { type: "unclear", object, why: "it patches another context than the old tool" };
  const filter: OldFilter = {
    ...read,
    object,
    namespace: object.metadata.namespace ?? "",
    patchContext,
    selector: stringMapAt(object, "spec", "workloadSelector", "labels"),
    deadNames: stringAt(patch, "match", "listener", "filterChain", "filter", "name") === DEAD_NAME,
    owner: ownerOf(object),
  };
  return { type: "old", filter };
}

type PluginPart = Pick<OldFilter, "id" | "rootId" | "config" | "moduleDigest" | "workload">;

/** What the plugin's own configuration says; a text says why it cannot be read. */
function readPlugin({ metadata }: KubeObject, plugin: unknown): PluginPart | string {
  const file = stringAt(plugin, "vmConfig", "code", "local", "filename") ?? "";
  const moduleDigest = `sha256:${file.slice(OLD_DIRECTORY.length + 1)}`;
  if (!file.startsWith(`${OLD_DIRECTORY}/`) || !isDigest(moduleDigest)) return "it names no module of the old cache";
  const id = stringAt(plugin, "name") ?? "";
  if (id === "" || !metadata.name.endsWith(`-${id}`)) return `its name is not <workload>-${id}`;
  const config = configOf(at(plugin, "configuration"));
  if (config === undefined) return "its plugin configuration is of a type that cannot be passed on";
  const workload = metadata.name.slice(0, -id.length - 1);
  return { id, rootId: stringAt(plugin, "rootId") ?? "", config: config.text, moduleDigest, workload };
}

const DEAD_NAME = "envoy.http_connection_manager";

const CONTEXTS: Readonly<Record<string, PatchContext>> = {
  SIDECAR_INBOUND: "inbound",
  SIDECAR_OUTBOUND: "outbound",
  GATEWAY: "gateway",
  ANY: "any",
};

/** The plugin's own configuration, whichever way it is wrapped. */
function pluginOf(value: unknown): unknown {
  return at(value, "typedConfig", "value", "config") ?? at(value, "config", "config");
}

/** Plain text in the old form; else a protobuf `Any` as JSON, which proxies hand to the module as text. */
function configOf(configuration: unknown): { readonly text: string | undefined } | undefined {
  if (configuration === undefined || configuration === null || configuration === "") return { text: undefined };
  if (typeof configuration === "string") return { text: configuration };
  const type = (stringAt(configuration, "@type") ?? "").replace(/^.*\//u, "");
  const value = at(configuration, "value") ?? "";
  if (type === "google.protobuf.Struct" && isObject(value)) return { text: JSON.stringify(value) };
  if (typeof value !== "string") return undefined;
  if (type === "google.protobuf.StringValue") return { text: value };
  return type === "google.protobuf.BytesValue" ? bytesText(value) : undefined;
}

/** Bytes that are text; others have no way through today's objects. */
function bytesText(base64: string): { readonly text: string } | undefined {
  const bytes = Buffer.from(base64, "base64");
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? { text } : undefined;
}

function ownerOf(object: KubeObject): string | undefined {
  const owner = listAt(object, "metadata", "ownerReferences").find(
    (one) => stringAt(one, "kind") === "FilterDeployment",
  );
  return stringAt(owner, "name");
}
