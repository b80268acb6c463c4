import { WasmeError } from "../domain/errors.ts";
import { tryParseJson } from "../domain/json.ts";
import type { ApiClient } from "./client.ts";
import { Kinds, type ResourceKind } from "./kinds.ts";
import { listAt, stringAt } from "./objects.ts";
import { type Intent, statusError } from "./status-error.ts";

/** Aggregated discovery: all groups by one request. Servers older than 1.27 do not know it and answer 406. */
const ACCEPT = ["v2", "v2beta1"]
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(",");

/** See `KubePort.kindsInNamespaces`. */
export async function kindsInNamespaces(client: ApiClient, signal?: AbortSignal): Promise<readonly ResourceKind[]> {
  const answers = await Promise.all(["/api", "/apis"].map((path) => groupsAt(client, path, signal)));
  const kinds = answers.flat().flatMap((group) => kindsOfGroup(client, group));
  // A resource is named once for each version; the first is the preferred one.
  const first = new Map<string, ResourceKind>();
  for (const kind of kinds) {
    const name = `${kind.plural}.${kind.group}`;
    if (!first.has(name)) first.set(name, kind);
  }
  return [...first.values()];
}

async function groupsAt(client: ApiClient, path: string, signal?: AbortSignal): Promise<readonly unknown[]> {
  const intent: Intent = { verb: "list", kind: DISCOVERY };
  const response = await client.call({ method: "GET", path, accept: ACCEPT, intent }, signal);
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
  const list = tryParseJson(response.text);
  if (stringAt(list, "kind") === "APIGroupDiscoveryList") return listAt(list, "items");
  throw incomplete(client, "its kinds in one list");
}

function kindsOfGroup(client: ApiClient, item: unknown): readonly ResourceKind[] {
  const group = stringAt(item, "metadata", "name") ?? "";
  return listAt(item, "versions").flatMap((one) => {
    const version = stringAt(one, "version") ?? "";
    if (stringAt(one, "freshness") === "Stale") throw incomplete(client, `the kinds of ${group}/${version}`);
    return listAt(one, "resources").flatMap((resource) => {
      const verbs = listAt(resource, "verbs");
      const [kind, plural] = [stringAt(resource, "responseKind", "kind"), stringAt(resource, "resource")];
      if (kind === undefined || plural === undefined || stringAt(resource, "scope") !== "Namespaced") return [];
      // What cannot be deleted is made up from other objects, as metrics of pods are.
      if (!verbs.includes("list") || !verbs.includes("delete")) return [];
      return [{ group, version, kind, plural, namespaced: true }];
    });
  });
}

function incomplete({ source }: ApiClient, what: string): WasmeError {
  return new WasmeError("failed", "KUBE_FAILED", `${source.server} does not tell ${what}`);
}

/** What an error says was asked for. */
const DISCOVERY: ResourceKind = { ...Kinds.namespace, kind: "APIGroupDiscoveryList", plural: "kinds" };
