/** How to reach a cluster as its administrator; plain data that can cross process borders. */
export interface Connection {
  /** `https://127.0.0.1:PORT`. */
  readonly server: string;
  /** PEM file of the server's certificate, to be trusted as an authority. */
  readonly caFile: string;
  /** Bearer token of a member of `system:masters`. */
  readonly adminToken: string;
  /** Kubeconfig of the administrator, namespace `default`. */
  readonly kubeconfigPath: string;
  /** Folder for further kubeconfig files; gone when the cluster stops. */
  readonly directory: string;
}

/** An answer of the API server, its JSON parsed (undefined when empty, the text when not JSON). */
export interface ApiResponse<T> {
  readonly status: number;
  readonly body: T;
}

/** The part of a Kubernetes object that all have; the rest is reached through the type parameter of a request. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** A running cluster, as tests see it. */
export interface ClusterClient extends Connection {
  /** A kubeconfig file of the administrator whose context names this namespace. */
  adminKubeconfig(namespace?: string): Promise<string>;
  /** Creates a namespace nobody else uses and returns its name. Tests need not delete it. */
  namespace(prefix?: string): Promise<string>;
  /**
   * A kubeconfig file of a new service account that may do exactly what `rules` say in the namespace (and what
   * `options.clusterRules` say everywhere). Returns when the API server enforces them.
   */
  tokenFor(rules: readonly PolicyRule[], namespace: string, options?: GrantOptions): Promise<string>;
  /** One request as administrator. A string body is sent as it is, anything else as JSON. */
  request<T = unknown>(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiResponse<T>>;
  /** Server-side apply (forced, manager `wasme-test`) of YAML text or objects; throws on the first refusal. */
  apply(objects: string | KubeObject | readonly KubeObject[], namespace?: string): Promise<readonly KubeObject[]>;
  /** Gets `path` until `ready` accepts its body; "not found" is "not yet". Throws after `deadlineMs` (20 s). */
  eventually<T>(path: string, ready: (body: T) => boolean, deadlineMs?: number): Promise<T>;
}

/** One rule of RBAC, as in a Role. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Rights beyond the namespace, by ClusterRole and ClusterRoleBinding. */
export interface GrantOptions {
  readonly clusterRules?: readonly PolicyRule[];
}
