import type { Agent as HttpAgent } from "node:http";
import type { Agent } from "node:https";
import type { KubeConfig, RequestContext } from "@kubernetes/client-node";
import { messageOf, usageError } from "../domain/errors.ts";
import type { RawKubeconfig } from "./merge-kubeconfig.ts";
import type { Login } from "./plain-login.ts";

/**
 * The way in by `@kubernetes/client-node`: exec plugins, OIDC, proxies, and everything else there is. It takes a third of
 * a second and 70 MB to load. Throws `KUBECONFIG_INVALID` (usage); what a plugin fails with passes.
 */
export async function libraryLogin(prepared: RawKubeconfig): Promise<Login> {
  const { KubeConfig: Config } = await importQuietly();
  const config = new Config();
  try {
    config.loadFromString(JSON.stringify(prepared));
  } catch (error) {
    throw usageError("KUBECONFIG_INVALID", `the kubeconfig is broken: ${messageOf(error)}`, { cause: error });
  }
  const context = config.getCurrentContext();
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) {
    throw usageError(
      "KUBECONFIG_INVALID",
      `the context ${JSON.stringify(context)} names a cluster the kubeconfig lacks`,
    );
  }
  return {
    server,
    namespace: config.getContextObject(context)?.namespace ?? "default",
    authenticate: () => authenticate(config),
  };
}

/** Some releases of Node warn of the `punycode` module, which a dependency of client-node 1.4 loads: no user can help it. */
async function importQuietly(): Promise<typeof import("@kubernetes/client-node")> {
  const before = process.noDeprecation;
  process.noDeprecation = true;
  try {
    return await import("@kubernetes/client-node");
  } finally {
    if (before === undefined) delete process.noDeprecation;
    else process.noDeprecation = before;
  }
}

async function authenticate(config: KubeConfig): ReturnType<Login["authenticate"]> {
  const headers: Record<string, string> = {};
  let agent: Agent | HttpAgent | undefined;
  const collector = {
    setHeaderParam: (name: string, value: string) => void (headers[name.toLowerCase()] = value),
    setAgent: (made: Agent | HttpAgent) => void (agent = made),
  };
  await config.applySecurityAuthentication(collector as unknown as RequestContext);
  if (agent === undefined) throw new TypeError("client-node gave no agent");
  return { headers, agent };
}
