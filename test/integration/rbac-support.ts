import { readFile } from "node:fs/promises";
import type { KubeObject } from "../../src/kube/objects.ts";
import type { PolicyRule } from "../../src/mesh/program-objects.ts";
import { writeKubeconfig } from "../cluster/access.ts";
import type { ClusterClient } from "../cluster/api.ts";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";

/** The smallest part of a rule: one verb on one resource. */
export interface Grant {
  /** `Role namespace/name`. */
  readonly role: string;
  /** Which rule of the role. */
  readonly index: number;
  readonly group: string;
  /** With its subresource: `filterdeployments/status`. */
  readonly resource: string;
  readonly verb: string;
  /** The objects it is confined to; empty: any. */
  readonly names: readonly string[];
}

/** `list configmaps "wasme-cache"`. */
export function grantTitle({ verb, resource, names }: Grant): string {
  return [verb, resource, ...names.map((name) => JSON.stringify(name))].join(" ");
}

/** All that the roles among the objects allow. */
export function grantsOf(objects: readonly KubeObject[]): readonly Grant[] {
  return objects.flatMap((object) =>
    rulesOf(object).flatMap((rule, index) =>
      rule.apiGroups.flatMap((group) =>
        rule.resources.flatMap((resource) =>
          rule.verbs.map((verb) => ({
            role: roleTitle(object),
            index,
            group,
            resource,
            verb,
            names: rule.resourceNames ?? [],
          })),
        ),
      ),
    ),
  );
}

/** The same objects, but for one verb on one resource. */
export function withoutGrant(objects: readonly KubeObject[], grant: Grant): readonly KubeObject[] {
  return objects.map((object) => {
    if (roleTitle(object) !== grant.role) return object;
    const rules = rulesOf(object).flatMap((rule, index): readonly PolicyRule[] => {
      if (index !== grant.index) return [rule];
      const others = rule.resources.filter((resource) => resource !== grant.resource);
      const verbs = rule.verbs.filter((verb) => verb !== grant.verb);
      return [
        { ...rule, resources: others },
        { ...rule, resources: [grant.resource], verbs },
      ].filter((left) => left.resources.length > 0 && left.verbs.length > 0);
    });
    return { ...object, rules };
  });
}

/**
 * Creates the namespaces, service accounts, roles and bindings among the objects, as its administrator would, and
 * returns the kubeconfig of the account when the server enforces every role.
 */
export async function installRoles(
  client: ClusterClient,
  objects: readonly KubeObject[],
  account: { readonly namespace: string; readonly name: string },
): Promise<string> {
  for (const object of objects) if (INSTALLED.test(object.kind)) await client.apply(JSON.stringify(object));
  const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const issued = await client.request<{ readonly status: { readonly token: string } }>("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  });
  const { token } = issued.body.status;
  const ca = await readFile(client.caFile, "utf8");
  const seen = new Set<string>();
  for (const grant of grantsOf(objects)) {
    if (seen.has(grant.role)) continue;
    seen.add(grant.role);
    await waitFor(`${grant.role} to be enforced`, async () => {
      const spec = { resourceAttributes: attributes(grant) };
      const review = await rawRequest({
        url: `${client.server}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews`,
        method: "POST",
        ca,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ spec }),
      });
      const { status } = JSON.parse(review.text) as { status?: { allowed?: boolean } | string };
      return typeof status === "object" && status.allowed === true ? true : undefined;
    });
  }
  return writeKubeconfig(client, { user: account.name, token, namespace: account.namespace });
}

const INSTALLED = /^(?:Namespace|ServiceAccount|(?:Cluster)?Role(?:Binding)?)$/u;

function attributes({ role, group, resource, verb, names }: Grant): Record<string, string> {
  const [, namespace = ""] = /^Role ([^/]+)\//u.exec(role) ?? [];
  const [kind = "", subresource = ""] = resource.split("/");
  const [name = ""] = names;
  return { group, resource: kind, subresource, verb, name, namespace };
}

function roleTitle({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
}

function rulesOf(object: KubeObject): readonly PolicyRule[] {
  return /^(?:Cluster)?Role$/u.test(object.kind) ? (object["rules"] as readonly PolicyRule[]) : [];
}
