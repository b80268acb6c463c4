/** What the commands take when nothing is said. */
export function defaults(version) {
  const pods = { image: `ghcr.io/wasme/wasme:${version}`, imagePullPolicy: "IfNotPresent" };
  const cache = { name: "wasme-cache", namespace: "wasme", ...pods, files: false };
  const operator = {
    name: "wasme-operator",
    namespace: "wasme-operator",
    ...pods,
    replicas: 1,
    watchNamespaces: [],
    pullSecrets: [],
    cache: { name: cache.name, namespace: cache.namespace },
  };
  return { cache, operator };
}
