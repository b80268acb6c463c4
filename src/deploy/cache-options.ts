import type { CacheName } from "./cache-name.ts";

const USUAL: CacheName = { namespace: "wasme", name: "wasme-cache" };

/** The options by which a deploy or undeploy means this cache, each with a space before it; nothing for the usual one. */
export function cacheOptions(cache: CacheName): string {
  return optionsFor(cache, ["--cache-namespace", "--cache-name"]);
}

/** The command that installs the cache of this name. */
export function installCommand(cache: CacheName = USUAL, more = ""): string {
  return `wasme cache manifests${more}${optionsFor(cache, ["-n", "--name"])} | kubectl apply -f -`;
}

/** The command that shows the pods of a cache, or other `kinds` of its objects. */
export function podsCommand({ namespace, name }: CacheName = USUAL, kinds = "pods"): string {
  return `kubectl get ${kinds} -n ${namespace} -l app.kubernetes.io/instance=${name} -o wide`;
}

function optionsFor({ namespace, name }: CacheName, [place, called]: readonly [string, string]): string {
  const where = namespace === USUAL.namespace ? "" : ` ${place} ${namespace}`;
  return name === USUAL.name ? where : `${where} ${called} ${name}`;
}
