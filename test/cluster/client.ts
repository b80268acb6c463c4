import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import { grant, writeKubeconfig } from "./access.ts";
import type { ApiResponse, ClusterClient, Connection, KubeObject } from "./api.ts";

/** Talks to a cluster that runs, in this process or another. */
export async function connect(connection: Connection): Promise<ClusterClient> {
  const ca = await readFile(connection.caFile, "utf8");
  const request = async <T>(
    method: string,
    path: string,
    body?: unknown,
    contentType = "application/json",
  ): Promise<ApiResponse<T>> => {
    const headers = { authorization: `Bearer ${connection.adminToken}`, accept: "application/json" };
    const sent =
      body === undefined
        ? { headers }
        : {
            headers: { ...headers, "content-type": contentType },
            body: typeof body === "string" ? body : JSON.stringify(body),
          };
    const response = await rawRequest({ url: connection.server + path, method, ca, ...sent });
    return { status: response.status, body: parse(response.text) as T };
  };
  const client: ClusterClient = {
    ...connection,
    request,
    adminKubeconfig: (namespace = "default") =>
      writeKubeconfig(connection, { token: connection.adminToken, namespace, user: "admin" }),
    namespace: (prefix = "wasme-test") => createNamespace(client, prefix),
    tokenFor: (rules, namespace, options = {}) => grant(client, rules, { ...options, namespace }),
    apply: async (objects, namespace) => {
      const list = typeof objects === "string" ? parseObjects(objects) : [objects].flat();
      const applied: KubeObject[] = [];
      for (const object of list) applied.push(await applyObject(client, object, namespace));
      return applied;
    },
    eventually: (path, ready, deadlineMs = 20_000) => eventually(client, path, { ready, deadlineMs }),
  };
  return client;
}

/** The objects of a YAML text of several documents; empty documents are left out. */
export function parseObjects(text: string): readonly KubeObject[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => document.toJS() as KubeObject | null).filter((object) => object !== null);
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text; // /readyz and /metrics answer plain text
  }
}

async function createNamespace(client: ClusterClient, prefix: string): Promise<string> {
  const name = `${prefix}-${randomBytes(4).toString("hex")}`;
  const created = await client.request("POST", "/api/v1/namespaces", { metadata: { name } });
  if (created.status !== 201) throw new Error(`namespace ${name}: ${created.status} ${JSON.stringify(created.body)}`);
  return name;
}

async function applyObject(client: ClusterClient, object: KubeObject, namespace?: string): Promise<KubeObject> {
  const path = `${await objectPath(client, object, namespace)}?fieldManager=wasme-test&force=true`;
  const applied = await client.request<KubeObject>("PATCH", path, object, "application/apply-patch+yaml");
  if (applied.status < 300) return applied.body;
  throw new Error(`${object.kind} ${object.metadata.name}: ${applied.status} ${JSON.stringify(applied.body)}`);
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** Asks the server for the kind's plural and scope: no table of ours to go stale. */
async function objectPath(client: ClusterClient, object: KubeObject, namespace = "default"): Promise<string> {
  const base = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  const { status, body } = await client.request<ResourceList>("GET", base);
  const resource =
    status === 200 ? body.resources.find(({ name, kind }) => kind === object.kind && !name.includes("/")) : undefined;
  if (resource === undefined) throw new Error(`the cluster has no kind ${object.kind} in ${object.apiVersion}`);
  const scope = resource.namespaced ? `/namespaces/${object.metadata.namespace ?? namespace}` : "";
  return `${base}${scope}/${resource.name}/${object.metadata.name}`;
}

interface Expectation<T> {
  readonly ready: (body: T) => boolean;
  readonly deadlineMs: number;
}

function eventually<T>(client: ClusterClient, path: string, expected: Expectation<T>): Promise<T> {
  let last = "";
  return waitFor(
    path,
    async () => {
      const { status, body } = await client.request<T>("GET", path);
      last = `last answer: ${status} ${excerpt(body)}`;
      if (status !== 200 && status !== 404) throw new Error(`GET ${path}: ${last}`);
      return status === 200 && expected.ready(body) ? { body } : undefined;
    },
    { deadlineMs: expected.deadlineMs, everyMs: 20, detail: () => last },
  ).then(({ body }) => body);
}

/** Enough of an answer to see what is wrong; the list of who set which field says nothing here. */
function excerpt(body: unknown): string {
  const text = JSON.stringify({ body }, (key, value: unknown) => (key === "managedFields" ? undefined : value));
  return text.length > 4000 ? `${text.slice(0, 4000)} …` : text;
}
