import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import type { ClusterClient, Connection, GrantOptions, PolicyRule } from "./api.ts";

/** Whose kubeconfig, and the namespace of its context. */
export interface KubeconfigUser {
  readonly user: string;
  readonly token: string;
  readonly namespace: string;
}

/** Writes a kubeconfig file with one context and returns its path. */
export async function writeKubeconfig(connection: Connection, user: KubeconfigUser): Promise<string> {
  const certificate = (await readFile(connection.caFile)).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: connection.server, "certificate-authority-data": certificate } }],
    users: [{ name: user.user, user: { token: user.token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: user.user, namespace: user.namespace } }],
    "current-context": "test",
  };
  const path = join(connection.directory, `kubeconfig-${user.user}-${randomBytes(4).toString("hex")}.yaml`);
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}

/** A new service account with exactly these rights; returns its kubeconfig when the server enforces them. */
export async function grant(
  client: ClusterClient,
  rules: readonly PolicyRule[],
  options: GrantOptions & { readonly namespace: string },
): Promise<string> {
  const { namespace, clusterRules = [] } = options;
  const name = `limited-${randomBytes(4).toString("hex")}`;
  const subject = { kind: "ServiceAccount", name, namespace };
  await create(client, `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  const local = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await bind(client, { base: local, kind: "Role", name, rules, subject });
  if (clusterRules.length > 0) {
    const everywhere = "/apis/rbac.authorization.k8s.io/v1";
    await bind(client, { base: everywhere, kind: "ClusterRole", name, rules: clusterRules, subject });
  }
  const issued = await create(client, `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  });
  const { token } = (issued as { status: { token: string } }).status;
  await enforced(client, token, { rules, namespace });
  await enforced(client, token, { rules: clusterRules });
  return writeKubeconfig(client, { user: name, token, namespace });
}

/**
 * A kubeconfig of a service account that exists, as a pod has it: its token ends with the pod. Throws when there is no
 * such account or pod.
 */
export async function podKubeconfig(
  client: ClusterClient,
  pod: { readonly namespace: string; readonly name: string; readonly uid: string; readonly account: string },
): Promise<string> {
  const { namespace, name, uid, account } = pod;
  const issued = await create(client, `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 7200, boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid } },
  });
  const { token } = (issued as { status: { token: string } }).status;
  return writeKubeconfig(client, { user: account, token, namespace });
}

interface Binding {
  readonly base: string;
  readonly kind: "Role" | "ClusterRole";
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly subject: object;
}

async function bind(client: ClusterClient, { base, kind, name, rules, subject }: Binding): Promise<void> {
  const plural = kind.toLowerCase();
  await create(client, `${base}/${plural}s`, { metadata: { name }, rules });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name };
  await create(client, `${base}/${plural}bindings`, { metadata: { name }, subjects: [subject], roleRef });
}

async function create(client: ClusterClient, path: string, body: object): Promise<unknown> {
  const created = await client.request("POST", path, body);
  if (created.status === 201) return created.body;
  throw new Error(`POST ${path}: ${created.status} ${JSON.stringify(created.body)}`);
}

/** The authorizer sees new roles a few milliseconds late. All rules of a role arrive at once, so one is asked for. */
async function enforced(
  client: ClusterClient,
  token: string,
  scope: { readonly rules: readonly PolicyRule[]; readonly namespace?: string },
): Promise<void> {
  const [rule] = scope.rules;
  if (rule === undefined) return;
  const [resource = "*", subresource = ""] = (rule.resources[0] ?? "*").split("/");
  const resourceAttributes = {
    group: rule.apiGroups[0] ?? "",
    resource,
    subresource,
    verb: rule.verbs[0] ?? "*",
    ...(rule.resourceNames?.[0] === undefined ? {} : { name: rule.resourceNames[0] }),
    ...(scope.namespace === undefined ? {} : { namespace: scope.namespace }),
  };
  const ca = await readFile(client.caFile, "utf8");
  await waitFor("the new role to be enforced", async () => {
    const review = await rawRequest({
      url: `${client.server}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews`,
      method: "POST",
      ca,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ spec: { resourceAttributes } }),
    });
    const { status } = JSON.parse(review.text) as { status?: { allowed?: boolean } | string };
    return typeof status === "object" && status.allowed === true ? true : undefined;
  });
}
