import type { ClusterClient, KubeObject } from "../cluster/api.ts";

/**
 * What the old wasme 0.0.33 does to a cluster, as measured with it on a real API server: every object byte for byte, and
 * its faults with them (backups overwritten, annotations deleted that others need). Its Go module is not to be had from
 * a registry, so it is played. All writes go under its field manager.
 */
export interface OldWasme {
  /** What it does before anything else, even where it then fails. */
  installCache(): Promise<void>;
  deploy(filter: OldDeploy): Promise<void>;
  /** Throws "not found" for an id that is not there, after it has deleted the annotations, as it does. */
  undeploy(id: string, workload: OldWorkload): Promise<void>;
}

/** Which workload. */
export interface OldWorkload {
  readonly kind?: "deployments" | "statefulsets" | "daemonsets";
  readonly name: string;
}

/** One `wasme deploy istio`. */
export interface OldDeploy {
  readonly id: string;
  /** As typed. */
  readonly image: string;
  /** sha256 of the module, 64 digits. */
  readonly module: string;
  readonly config?: string;
  readonly rootId?: string;
  readonly context?: string;
  /** `config` for Istio up to 1.6. */
  readonly form?: "typedConfig" | "config";
  readonly workload: OldWorkload;
  /** Set by its operator. */
  readonly owner?: { readonly name: string; readonly uid: string };
}

/** Its place for modules. */
const OLD_DIRECTORY = "/var/local/lib/wasme-cache";
const DIRECTORY = OLD_DIRECTORY;
const VOLUME = "sidecar.istio.io/userVolume";
const MOUNT = "sidecar.istio.io/userVolumeMount";
const EVENTS = { apiGroups: [""], resources: ["events"], verbs: ["create"] };

/** The old tool, working on one namespace with a cache of its own. */
export function oldWasme(client: ClusterClient, place: { namespace: string; cacheNamespace: string }): OldWasme {
  const { namespace, cacheNamespace } = place;
  const write = async (method: "POST" | "PUT", path: string, body: unknown): Promise<void> => {
    const { status, body: answer } = await client.request(method, `${path}?fieldManager=wasme`, body);
    // It keeps what is there.
    if (status === 409 && method === "POST") return;
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
  };
  const read = async <T>(path: string): Promise<T | undefined> => {
    const { status, body } = await client.request<T>("GET", path);
    return status === 200 ? body : undefined;
  };
  const core = `/api/v1/namespaces/${cacheNamespace}`;
  const filters = `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/envoyfilters`;

  const editTemplate = async (
    workload: OldWorkload,
    edit: (annotations: Map<string, string>) => void,
  ): Promise<Labels> => {
    const path = `/apis/apps/v1/namespaces/${namespace}/${workload.kind ?? "deployments"}/${workload.name}`;
    // It has no retry for conflicts; the test wants its outcome, not its luck.
    for (let attempt = 0; ; attempt += 1) {
      const live = await read<Templated>(path);
      if (live === undefined) throw new Error(`no ${path}`);
      const { metadata } = live.spec.template;
      const annotations = new Map(Object.entries(metadata.annotations ?? {}));
      edit(annotations);
      metadata.annotations = Object.fromEntries(annotations);
      const { status } = await client.request("PUT", `${path}?fieldManager=wasme`, live);
      if (status < 300) return metadata.labels;
      if (status !== 409 || attempt > 20) throw new Error(`PUT ${path}: ${status}`);
    }
  };

  return {
    installCache: async () => {
      await write("POST", "/api/v1/namespaces", { metadata: { name: cacheNamespace } });
      await write("POST", `${core}/configmaps`, { metadata: { name: CACHE }, data: { images: "" } });
      await write("POST", `${core}/serviceaccounts`, { metadata: { name: CACHE } });
      const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${cacheNamespace}`;
      await write("POST", `${rbac}/roles`, { metadata: { name: CACHE }, rules: [EVENTS] });
      await write("POST", `${rbac}/rolebindings`, {
        metadata: { name: CACHE },
        subjects: [{ kind: "ServiceAccount", name: CACHE, namespace: cacheNamespace }],
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: CACHE },
      });
      await write("POST", `/apis/apps/v1/namespaces/${cacheNamespace}/daemonsets`, daemonSet(cacheNamespace));
    },
    deploy: async (filter) => {
      const list = await read<KubeObject & { data: { images: string } }>(`${core}/configmaps/${CACHE}`);
      if (list !== undefined && !list.data.images.split("\n").includes(filter.image)) {
        const images = [...list.data.images.split("\n").filter(Boolean), filter.image].join("\n");
        await write("PUT", `${core}/configmaps/${CACHE}`, { ...list, data: { ...list.data, images } });
      }
      const labels = await editTemplate(filter.workload, (annotations) => {
        merge(annotations, VOLUME, { hostPath: { path: DIRECTORY }, name: "cache-dir" });
        merge(annotations, MOUNT, { mountPath: DIRECTORY, name: "cache-dir" });
      });
      const object = envoyFilter(filter, namespace, labels);
      const path = `${filters}/${object.metadata.name}`;
      const there = await read<KubeObject>(path);
      if (there === undefined) await write("POST", filters, object);
      else {
        const { resourceVersion } = there.metadata;
        await write("PUT", path, { ...object, metadata: { ...object.metadata, resourceVersion } });
      }
    },
    undeploy: async (id, workload) => {
      await editTemplate(workload, (annotations) => {
        for (const key of [VOLUME, MOUNT]) {
          annotations.delete(key);
          const backup = annotations.get(`wasme-backup.${key}`);
          annotations.delete(`wasme-backup.${key}`);
          if (backup !== undefined) annotations.set(key, backup);
        }
      });
      const { status } = await client.request("DELETE", `${filters}/${workload.name}-${id}`);
      if (status === 404) throw new Error("not found");
    },
  };
}

const CACHE = "wasme-cache";

type Labels = Record<string, string>;

interface Templated {
  readonly spec: { readonly template: { readonly metadata: { annotations?: Record<string, string>; labels: Labels } } };
}

/** Appends the item unless its name is there; what was there goes into the backup, whatever is in that. */
function merge(
  annotations: Map<string, string>,
  key: string,
  item: { readonly name: string; readonly [field: string]: unknown },
): void {
  const before = annotations.get(key);
  const items = before === undefined ? [] : (JSON.parse(before) as { name: string }[]);
  if (before !== undefined) annotations.set(`wasme-backup.${key}`, before);
  const merged = items.some(({ name }) => name === item.name) ? items : [...items, item];
  annotations.set(key, JSON.stringify(merged.map((one) => sortedKeys(one))));
}

function sortedKeys(value: object): object {
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The EnvoyFilter of its operator or command line. */
function envoyFilter(filter: OldDeploy, namespace: string, labels: Labels): KubeObject {
  const { id, module, config, rootId = "my_root", context = "SIDECAR_INBOUND", form = "typedConfig", owner } = filter;
  const plugin = {
    ...(config === undefined ? {} : { configuration: configuration(config, form) }),
    name: id,
    rootId,
    vmConfig: { code: { local: { filename: `${DIRECTORY}/${module}` } }, runtime: "envoy.wasm.runtime.v8", vmId: id },
  };
  const wrapped =
    form === "config"
      ? { config: { config: plugin } }
      : {
          typedConfig: {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            typeUrl: "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            value: { config: plugin },
          },
        };
  const place = { name: "envoy.http_connection_manager", subFilter: { name: "envoy.router" } };
  const reference = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", controller: true, blockOwnerDeletion: true };
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: {
      name: `${filter.workload.name}-${id}`,
      namespace,
      ...(owner === undefined ? {} : { ownerReferences: [{ ...reference, ...owner }] }),
    },
    spec: {
      configPatches: [
        {
          applyTo: "HTTP_FILTER",
          match: { context, listener: { filterChain: { filter: place } } },
          patch: { operation: "INSERT_BEFORE", value: { name: "envoy.filters.http.wasm", ...wrapped } },
        },
      ],
      workloadSelector: { labels },
    },
  };
}

function configuration(value: string, form: "typedConfig" | "config"): unknown {
  return form === "config" ? value : { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
}

function daemonSet(namespace: string): unknown {
  const args = [
    "cache",
    "--directory",
    DIRECTORY,
    "--ref-file",
    "/etc/wasme-cache/images.txt",
    "--cache-ns",
    namespace,
  ];
  const resources = { requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "500m", memory: "256Mi" } };
  const volumeMounts = [
    { name: "cache-dir", mountPath: DIRECTORY },
    { name: "config", mountPath: "/etc/wasme-cache" },
  ];
  const image = "quay.io/solo-io/wasme:0.0.33";
  return {
    metadata: { name: CACHE, namespace, labels: { app: CACHE } },
    spec: {
      selector: { matchLabels: { app: CACHE } },
      template: {
        metadata: { labels: { app: CACHE } },
        spec: {
          serviceAccountName: CACHE,
          containers: [{ name: CACHE, image, imagePullPolicy: "IfNotPresent", args, resources, volumeMounts }],
          volumes: [
            { name: "cache-dir", hostPath: { path: DIRECTORY, type: "DirectoryOrCreate" } },
            { name: "config", configMap: { name: CACHE, items: [{ key: "images", path: "images.txt" }] } },
          ],
        },
      },
    },
  };
}
