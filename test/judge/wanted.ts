import type { KubeObject } from "./kube.ts";

/** A module that an object makes the proxies it selects ask for, and the way they ask. */
export interface Wanted {
  readonly source:
    /** The agent downloads it. */
    | { readonly way: "http" | "oci"; readonly url: string }
    /** Envoy reads it when its configuration comes; as part of a listener it is read again with every change of that. */
    | { readonly way: "file"; readonly path: string; readonly inListener: boolean }
    /** Nothing that works: why. */
    | { readonly way: "broken"; readonly reason: string };
  readonly sha256: string | undefined;
  /** Milliseconds a download may take. */
  readonly timeoutMs: number;
}

/** An object of Istio, as the proxies of its namespace see it. */
export interface FilterObject {
  /** `namespace/kind/name`. */
  readonly title: string;
  /** Its identity and generation: another one is another push. */
  readonly version: string;
  readonly namespace: string;
  /** Labels a pod must have. */
  readonly labels: Readonly<Record<string, string>>;
  readonly wanted: readonly Wanted[];
}

/** Reads a WasmPlugin, TrafficExtension or EnvoyFilter. */
export function readFilterObject(kind: string, object: KubeObject): FilterObject {
  const { name, namespace = "", uid, generation = 0 } = object.metadata;
  const spec = at(object, "spec");
  const selector =
    kind === "EnvoyFilter" ? at(spec, "workloadSelector", "labels") : at(spec, "selector", "matchLabels");
  return {
    title: `${namespace}/${kind}/${name}`,
    version: `${uid}@${generation}`,
    namespace,
    labels: (selector ?? {}) as Readonly<Record<string, string>>,
    wanted:
      kind === "EnvoyFilter" ? fromPatches(spec) : [fromPlugin(kind === "TrafficExtension" ? at(spec, "wasm") : spec)],
  };
}

/** Whether the object is for a pod. */
export function selects(object: FilterObject, pod: KubeObject): boolean {
  if (object.namespace !== pod.metadata.namespace) return false;
  return Object.entries(object.labels).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

/** The control plane gives every plugin 30 s, and takes a URL without scheme for an image. */
function fromPlugin(plugin: unknown): Wanted {
  const url = textAt(plugin, "url") ?? "";
  const sha256 = digestOf(textAt(plugin, "sha256"));
  const scheme = /^(?<scheme>[a-z]+):\/\//u.exec(url)?.groups?.["scheme"];
  return { source: sourceOf(scheme === undefined ? `oci://${url}` : url), sha256, timeoutMs: 30_000 };
}

function sourceOf(url: string): Wanted["source"] {
  if (url.startsWith("http://")) return { way: "http", url };
  if (url.startsWith("oci://")) return { way: "oci", url };
  if (url.startsWith("file://")) return { way: "file", path: url.slice("file://".length), inListener: false };
  return { way: "broken", reason: `the scheme of ${url} is none the judge plays` };
}

const MANAGER = "envoy.filters.network.http_connection_manager";
const ROUTER = "envoy.filters.http.router";
const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const STRUCT = "type.googleapis.com/udpa.type.v1.TypedStruct";

/** Each filter that is put into a chain, with its file, or with the extension configuration that its name leads to. */
function fromPatches(spec: unknown): readonly Wanted[] {
  const patches = (at(spec, "configPatches") ?? []) as readonly unknown[];
  const extensions = new Map(
    patches
      .filter((patch) => textAt(patch, "applyTo") === "EXTENSION_CONFIG")
      .map((patch) => at(patch, "patch", "value"))
      .map((value) => [textAt(value, "name"), value]),
  );
  return patches
    .filter((patch) => textAt(patch, "applyTo") === "HTTP_FILTER" && isInChain(patch))
    .map((patch) => at(patch, "patch", "value"))
    .flatMap((value) => {
      const discovered = either(value, "config_discovery", "configDiscovery") !== undefined;
      if (!discovered) return fromTyped(either(value, "typed_config", "typedConfig"), false);
      const extension = extensions.get(textAt(value, "name"));
      if (extension === undefined) return broken(`no extension configuration is called ${textAt(value, "name")}`);
      return fromTyped(either(extension, "typed_config", "typedConfig"), true);
    });
}

/** Under other names the filter is in no chain, and nothing is asked for. */
function isInChain(patch: unknown): boolean {
  const filter = at(patch, "match", "listener", "filterChain", "filter");
  return textAt(filter, "name") === MANAGER && (textAt(filter, "subFilter", "name") ?? ROUTER) === ROUTER;
}

/** Only what comes by ECDS goes through the agent; remote code anywhere else is Envoy's, which has no such cluster. */
function fromTyped(typed: unknown, byAgent: boolean): readonly Wanted[] {
  const [type, config] = unwrap(typed);
  if (type !== WASM) return [];
  const code = at(either(at(config, "config"), "vm_config", "vmConfig"), "code");
  const file = textAt(code, "local", "filename");
  if (file !== undefined) {
    return [{ source: { way: "file", path: file, inListener: !byAgent }, sha256: undefined, timeoutMs: 0 }];
  }
  const remote = at(code, "remote");
  const uri = either(remote, "http_uri", "httpUri");
  const url = textAt(uri, "uri");
  if (url === undefined || !byAgent) return broken(byAgent ? "remote code without URL" : "remote code outside ECDS");
  const timeoutMs = seconds(textAt(uri, "timeout")) ?? 5000;
  return [{ source: sourceOf(url), sha256: digestOf(textAt(remote, "sha256")), timeoutMs }];
}

function unwrap(typed: unknown): readonly [string | undefined, unknown] {
  const type = textAt(typed, "@type");
  if (type !== STRUCT) return [type, typed];
  const inner = either(typed, "type_url", "typeUrl");
  return [typeof inner === "string" ? inner : undefined, at(typed, "value")];
}

function broken(reason: string): readonly Wanted[] {
  return [{ source: { way: "broken", reason }, sha256: undefined, timeoutMs: 0 }];
}

function digestOf(text: string | undefined): string | undefined {
  return text === undefined || text === "" || text === "nil" ? undefined : text;
}

function seconds(text: string | undefined): number | undefined {
  const value = /^(?<value>\d+(?:\.\d+)?)s$/u.exec(text ?? "")?.groups?.["value"];
  return value === undefined ? undefined : Number(value) * 1000;
}

/** The value at a path of keys; undefined where there is none. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let inner = value;
  for (const key of path) inner = typeof inner === "object" && inner !== null ? (inner as never)[key] : undefined;
  return inner;
}

function either(value: unknown, snake: string, camel: string): unknown {
  return at(value, snake) ?? at(value, camel);
}

function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === "string" ? found : undefined;
}
