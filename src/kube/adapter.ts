import type { EventSink } from "../domain/events.ts";
import { tryParseJson } from "../domain/json.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { type ApiClient, type ApiRequest, type ClientDeps, createClient } from "./client.ts";
import { openCredentials } from "./credentials.ts";
import { kindsInNamespaces } from "./discovery.ts";
import { type KubeconfigSource, loadKubeconfig } from "./kubeconfig.ts";
import { apiVersion, Kinds, type ResourceKind } from "./kinds.ts";
import { at, type KubeObject, listAt, stringAt } from "./objects.ts";
import {
  type Access,
  FIELD_MANAGER,
  type FieldManager,
  type KubePort,
  type ObjectRef,
  type Selection,
  type ServerVersion,
  type WriteOptions,
} from "./port.ts";
import { expectObject, objectIn } from "./answer.ts";
import { listAll, listPages, SMALL_PAGE } from "./list.ts";
import { podReader, type PodReader } from "./pod-reader.ts";
import { type Intent, type Owner, statusError } from "./status-error.ts";
import { watchEvents } from "./watch.ts";

/** What connecting needs of the outside. */
export interface ConnectDeps {
  readonly clock: SteadyClock;
  readonly events: EventSink;
  /** Who writes; the command line when absent. */
  readonly fieldManager?: FieldManager;
  /** Told of every answer, for metrics. */
  readonly onAnswer?: ClientDeps["onAnswer"];
}

/**
 * Opens a cluster: reads the kubeconfig and, for plugins and proxies alone, loads `@kubernetes/client-node` (0.3 to 0.5 s);
 * no request is sent yet. Throws the usage errors of `loadKubeconfig`.
 */
export async function connectCluster(
  deps: ConnectDeps,
  from: KubeconfigSource,
): Promise<KubePort & { readonly pods: PodReader }> {
  const raw = await loadKubeconfig(from);
  const source = await openCredentials(raw, from.env, () => deps.clock.elapsed());
  const warn = (message: string): void => deps.events({ type: "warning", message: `the cluster says: ${message}` });
  const { clock, onAnswer } = deps;
  const client = createClient({ source, clock, warn, ...(onAnswer === undefined ? {} : { onAnswer }) });
  return { ...portOver(client, deps.fieldManager ?? FIELD_MANAGER), pods: podReader(client) };
}

function portOver(client: ApiClient, fieldManager: FieldManager): KubePort {
  const call = (request: ApiRequest, signal?: AbortSignal): Promise<KubeObject> =>
    expectObject(client, request, signal);
  const patchWith = (
    contentType: string,
    {
      ref,
      body,
      options,
    }: {
      readonly ref: ObjectRef;
      readonly body: unknown;
      readonly options: WriteOptions & { readonly force?: boolean };
    },
  ): Promise<KubeObject> => {
    const query = { ...writeQuery(fieldManager, options), force: options.force === true ? "true" : undefined };
    const intent: Intent = { ...ref, verb: "patch", owners: ownersIn(body) };
    return call({ method: "PATCH", path: writePath(ref, options), query, contentType, body, intent }, options.signal);
  };
  const discovery = new Map<string, Promise<ReadonlySet<string>>>();
  return {
    server: client.source.server,
    fieldManager,
    namespace: client.source.namespace,
    close: () => client.source.close(),
    get: async (ref, signal) => {
      const intent: Intent = { ...ref, verb: "get" };
      const response = await client.call({ method: "GET", path: objectPath(ref), intent }, signal);
      return response.status === 404 && isObjectMissing(response.text) ? undefined : objectIn(client, response, intent);
    },
    pages: (selection, signal) =>
      listPages(client, collectionPath(selection), selection, { limit: SMALL_PAGE, signal }),
    list: (selection, signal) => listAll(client, collectionPath(selection), selection, signal),
    apply: (kind, object, options = {}) =>
      patchWith("application/apply-patch+yaml", { ref: refOf(kind, object), body: object, options }),
    patch: (ref, body, options = {}) => patchWith("application/merge-patch+json", { ref, body, options }),
    jsonPatch: (ref, body, options = {}) => patchWith("application/json-patch+json", { ref, body, options }),
    create: (kind, object, options = {}) => {
      const ref = refOf(kind, object);
      const intent: Intent = { ...ref, verb: "create", owners: ownersIn(object) };
      return call(
        { method: "POST", path: collectionPath(ref), query: writeQuery(fieldManager, options), body: object, intent },
        options.signal,
      );
    },
    delete: (ref, options = {}) => deleteObject(client, ref, options),
    deleteAll: (selection, signal) => deleteAll(client, selection, signal),
    version: (signal) => serverVersion(client, signal),
    served: async (kind, signal) => (await kindsServed(client, discovery, kind, signal)).has(kind.kind),
    kindsInNamespaces: (signal) => kindsInNamespaces(client, signal),
    accessReview: (access, signal) => reviewAccess(client, access, signal),
    watch: (selection, resourceVersion, signal, opened) =>
      watchEvents(client, { path: collectionPath(selection), selection, resourceVersion, opened }, signal),
  };
}

function writeQuery(fieldManager: FieldManager, options: WriteOptions): Record<string, string | undefined> {
  return {
    fieldManager,
    fieldValidation: "Strict",
    dryRun: options.dryRun === true ? "All" : undefined,
  };
}

/** Whom a written object names as its owners. */
function ownersIn(body: unknown): readonly Owner[] {
  return listAt(body, "metadata", "ownerReferences").flatMap((one) => {
    const [version, kind, name] = [stringAt(one, "apiVersion"), stringAt(one, "kind"), stringAt(one, "name")];
    return version === undefined || kind === undefined || name === undefined
      ? []
      : [{ apiVersion: version, kind, name }];
  });
}

function refOf(kind: ResourceKind, object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { kind, name } : { kind, name, namespace };
}

function collectionPath(where: { readonly kind: ResourceKind; readonly namespace?: string }): string {
  const { kind, namespace } = where;
  const root = kind.group === "" ? "/api/v1" : `/apis/${kind.group}/${kind.version}`;
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${kind.plural}`;
}

function objectPath(ref: ObjectRef): string {
  return `${collectionPath(ref)}/${encodeURIComponent(ref.name)}`;
}

function writePath(ref: ObjectRef, options: WriteOptions): string {
  return options.subresource === undefined ? objectPath(ref) : `${objectPath(ref)}/${options.subresource}`;
}

async function serverVersion(client: ApiClient, signal?: AbortSignal): Promise<ServerVersion> {
  const intent: Intent = { verb: "get", kind: Kinds.namespace };
  const response = await client.call({ method: "GET", path: "/version", intent }, signal);
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
  const told = tryParseJson(response.text);
  // Managed clusters append a plus sign to the minor version.
  const part = (name: string): number => Number.parseInt(stringAt(told, name) ?? "", 10) || 0;
  return { major: part("major"), minor: part("minor") };
}

/** True for "no such object", false for "no such kind": only the first names an object. */
function isObjectMissing(text: string): boolean {
  return stringAt(tryParseJson(text), "details", "name") !== undefined;
}

async function deleteObject(
  client: ApiClient,
  ref: ObjectRef,
  options: WriteOptions & { readonly uid?: string; readonly resourceVersion?: string },
): Promise<boolean> {
  const { uid, resourceVersion, dryRun, signal } = options;
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  const body = {
    apiVersion: "v1",
    kind: "DeleteOptions",
    ...(dryRun === true ? { dryRun: ["All"] } : {}),
    ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
  };
  const intent: Intent = { ...ref, verb: "delete" };
  const response = await client.call({ method: "DELETE", path: objectPath(ref), body, intent }, signal);
  if (response.status === 404 && isObjectMissing(response.text)) return false;
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
  return true;
}

async function deleteAll(client: ApiClient, selection: Selection, signal?: AbortSignal): Promise<void> {
  const { labelSelector, fieldSelector } = selection;
  const intent: Intent = { ...selection, verb: "deletecollection" };
  const path = collectionPath(selection);
  const response = await client.call(
    { method: "DELETE", path, query: { labelSelector, fieldSelector }, intent },
    signal,
  );
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
}

/** The kinds of one group version; an unknown group version serves none. */
async function kindsServed(
  client: ApiClient,
  known: Map<string, Promise<ReadonlySet<string>>>,
  kind: ResourceKind,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const path = kind.group === "" ? "/api/v1" : `/apis/${kind.group}/${kind.version}`;
  const ask = async (): Promise<ReadonlySet<string>> => {
    const intent: Intent = { verb: "get", kind };
    const response = await client.call({ method: "GET", path, intent }, signal);
    if (response.status === 404) return new Set();
    if (response.status >= 300) throw statusError(response, intent, client.source.server);
    return new Set(listAt(tryParseJson(response.text), "resources").map((entry) => stringAt(entry, "kind") ?? ""));
  };
  const asked = known.get(path) ?? ask();
  known.set(path, asked);
  return asked.catch((error: unknown) => {
    known.delete(path);
    throw error;
  });
}

async function reviewAccess(client: ApiClient, access: Access, signal?: AbortSignal): Promise<boolean> {
  const { verb, kind, namespace, name, subresource } = access;
  const resourceAttributes = {
    verb,
    group: kind.group,
    version: kind.version,
    resource: kind.plural,
    namespace: namespace ?? "",
    name: name ?? "",
    subresource: subresource ?? "",
  };
  const body = { apiVersion: apiVersion(REVIEW), kind: REVIEW.kind, spec: { resourceAttributes } };
  const intent: Intent = { verb: "create", kind: REVIEW };
  const path = collectionPath({ kind: REVIEW });
  const response = await client.call({ method: "POST", path, body, intent }, signal);
  if (response.status >= 300) throw statusError(response, intent, client.source.server);
  return at(tryParseJson(response.text), "status", "allowed") === true;
}

const REVIEW: ResourceKind = {
  ...Kinds.namespace,
  group: "authorization.k8s.io",
  kind: "SelfSubjectAccessReview",
  plural: "selfsubjectaccessreviews",
};
