import { isObject } from "../domain/json.ts";
import type { Env } from "../platform/env.ts";
import { findProxy } from "../platform/http-proxy.ts";
import type { RawKubeconfig } from "./merge-kubeconfig.ts";
import { at, stringAt } from "./objects.ts";

/**
 * Fills the gaps of client-node 1.4: `tokenFile`, plain http, the environment's proxy, and what exec plugins expect in
 * their environment. Throws `PROXY_INVALID` (usage).
 */
export function prepareKubeconfig(raw: RawKubeconfig, env: Env): RawKubeconfig {
  const clusters = entries(raw["clusters"], "cluster", (cluster) => {
    const reached = withProxy(cluster, env);
    return String(cluster["server"]).startsWith("http:") ? { ...reached, "insecure-skip-tls-verify": true } : reached;
  });
  const users = entries(raw["users"], "user", (user) => {
    if (isObject(user["exec"])) return { ...user, exec: withExecInfo(user["exec"], env) };
    const tokenFile = user["tokenFile"];
    if (typeof tokenFile !== "string") return user;
    return { ...user, token: undefined, "auth-provider": { name: "tokenFile", config: { tokenFile } } };
  });
  return { ...raw, clusters, users };
}

function entries(
  list: unknown,
  inner: string,
  edit: (body: Record<string, unknown>) => Record<string, unknown>,
): unknown[] {
  if (!Array.isArray(list)) return [];
  return list.map((entry: unknown) => {
    const body = at(entry, inner);
    return isObject(entry) && isObject(body) ? { ...entry, [inner]: edit(body) } : entry;
  });
}

/** client-node leaves `KUBERNETES_EXEC_INFO` out; plugins read the API version to answer in from it. */
function withExecInfo(exec: Record<string, unknown>, env: Env): Record<string, unknown> {
  const version = stringAt(exec, "apiVersion") ?? "client.authentication.k8s.io/v1";
  const info = JSON.stringify({ apiVersion: version, kind: "ExecCredential", spec: { interactive: false } });
  const own = Array.isArray(exec["env"]) ? exec["env"] : [];
  const inherited = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return { ...exec, env: [...inherited, ...own, { name: "KUBERNETES_EXEC_INFO", value: info }] };
}

/** The proxy of the environment, as kubectl takes it; one named in the kubeconfig wins. */
function withProxy(cluster: Record<string, unknown>, env: Env): Record<string, unknown> {
  const { server } = cluster;
  if (typeof cluster["proxy-url"] === "string" || typeof server !== "string" || !URL.canParse(server)) return cluster;
  const proxy = findProxy(new URL(server), env);
  if (proxy === undefined) return cluster;
  const url = new URL(proxy.url);
  const basic = /^Basic (?<pair>.+)$/u.exec(proxy.headers["proxy-authorization"] ?? "")?.groups?.["pair"];
  if (basic !== undefined) {
    const [user = "", ...password] = Buffer.from(basic, "base64").toString().split(":");
    url.username = encodeURIComponent(user);
    url.password = encodeURIComponent(password.join(":"));
  }
  return { ...cluster, "proxy-url": url.href };
}
