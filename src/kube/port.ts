import type { ResourceKind } from "./kinds.ts";
import type { KubeObject } from "./objects.ts";

/** Who writes: ownership of fields hangs on these names, so they never change. */
export type FieldManager = "wasme-cli" | "wasme-operator" | "wasme-cache";

/** The field manager of everything this command line writes. */
export const FIELD_MANAGER: FieldManager = "wasme-cli";

/** Names one object. */
export interface ObjectRef {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
}

/** Names a set of objects of one kind. */
export interface Selection {
  readonly kind: ResourceKind;
  /** Absent: all namespaces, or a cluster-scoped kind. */
  readonly namespace?: string;
  /** As in `kubectl -l`. */
  readonly labelSelector?: string;
  /** As in `kubectl --field-selector`. */
  readonly fieldSelector?: string;
  /** Asks for `metadata` only (PartialObjectMetadata): nothing else of the objects is sent. */
  readonly metadataOnly?: boolean;
}

/** What every write takes. */
export interface WriteOptions {
  /** The server does everything but store (`dryRun=All`). */
  readonly dryRun?: boolean;
  /** Writes this part of the object only, which has rights and versions of its own. */
  readonly subresource?: "status";
  readonly signal?: AbortSignal | undefined;
}

/** What one may do, asked of the server. */
export interface Access {
  /** `get`, `list`, `watch`, `create`, `patch`, `delete` or `deletecollection`. */
  readonly verb: string;
  readonly kind: ResourceKind;
  readonly namespace?: string;
  /** One object; absent: any. */
  readonly name?: string;
  readonly subresource?: "status" | "finalizers" | "proxy";
}

/** One operation of a JSON patch (RFC 6902). */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace" | "test";
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value?: unknown;
}

/** A change the server told about. */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

/** A whole list, all pages, and the version a watch goes on from. */
export interface ObjectList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

/** One page of a list. */
export interface ObjectPage {
  readonly items: readonly KubeObject[];
  /** The same on every page. */
  readonly resourceVersion: string;
}

/** The release of an API server. */
export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
}

/**
 * Everything wasme wants from an API server, on untyped JSON. Writes always ask for strict field validation, so a
 * misspelt field is refused instead of dropped. Failures are `WasmeError`s with the codes of `status-error.ts`;
 * an object that does not exist is a value. A 429 or 503 with `Retry-After` is waited out before it becomes one.
 */
export interface KubePort {
  /** The server's address, for messages. */
  readonly server: string;
  /** The name all writes go under. */
  readonly fieldManager: FieldManager;
  /** The namespace of the kubeconfig's context, `default` when it names none. */
  readonly namespace: string;

  /** Reads one object; `undefined` when it does not exist. */
  get(ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | undefined>;
  /**
   * Reads matching objects page by page, 500 each, so that a large set need not be held as sent. Throws `KUBE_GONE`
   * when the server forgot the set meanwhile (about five minutes): start anew then.
   */
  pages(selection: Selection, signal?: AbortSignal): AsyncIterable<ObjectPage>;
  /** Reads all matching objects in pages of 500. */
  list(selection: Selection, signal?: AbortSignal): Promise<ObjectList>;
  /** Server-side apply as {@link fieldManager}: creates, or changes only the fields named in `object`. */
  apply(
    kind: ResourceKind,
    object: KubeObject,
    options?: WriteOptions & { readonly force?: boolean },
  ): Promise<KubeObject>;
  /**
   * JSON merge patch (RFC 7396). With `metadata.resourceVersion` in the patch the server refuses it when the
   * object was written since (`KUBE_CONFLICT`).
   */
  patch(ref: ObjectRef, patch: Readonly<Record<string, unknown>>, options?: WriteOptions): Promise<KubeObject>;
  /** JSON patch (RFC 6902); an operation `test` that does not hold is `KUBE_INVALID`. */
  jsonPatch(ref: ObjectRef, patch: readonly PatchOperation[], options?: WriteOptions): Promise<KubeObject>;
  /** Creates; an object of that name is `KUBE_ALREADY_EXISTS`. */
  create(kind: ResourceKind, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** Deletes, only the object with this uid and version when given; `false` when there was none. */
  delete(
    ref: ObjectRef,
    options?: WriteOptions & { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<boolean>;
  /** Deletes all matching objects by one request (the verb `deletecollection`); one made at this moment may stay. */
  deleteAll(selection: Selection, signal?: AbortSignal): Promise<void>;
  /** The server's version, `{ major: 1, minor: 36 }`. */
  version(signal?: AbortSignal): Promise<ServerVersion>;
  /** Whether the server serves this kind in this version. */
  served(kind: ResourceKind, signal?: AbortSignal): Promise<boolean>;
  /**
   * Every kind that is kept in namespaces, of all groups, in its preferred version: what goes when a namespace is deleted.
   * Throws `KUBE_FAILED` when the server does not tell all of them.
   */
  kindsInNamespaces(signal?: AbortSignal): Promise<readonly ResourceKind[]>;
  /** Whether we may do this (SelfSubjectAccessReview). */
  accessReview(access: Access, signal?: AbortSignal): Promise<boolean>;
  /**
   * Changes after `resourceVersion`, with bookmarks. Ends when the server ends it or goes silent; throws
   * `KUBE_GONE` when the version is too old: list again then. `opened` is told when the server accepted it.
   */
  watch(
    selection: Selection,
    resourceVersion: string,
    signal?: AbortSignal,
    opened?: () => void,
  ): AsyncIterable<WatchEvent>;
  /** Ends idle connections. */
  close(): void;
}
