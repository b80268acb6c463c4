import type { Delivery } from "../domain/delivery.ts";
import type { EventSink } from "../domain/events.ts";
import type { FailurePolicy, FilterPhase, PatchContext } from "../domain/filter.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { ImageSource, ResolvedImage } from "../domain/resolved-image.ts";
import type { WorkloadKind } from "../domain/workload.ts";
import type { KubePort, ObjectRef } from "../kube/port.ts";
import type { CacheSettings } from "../mesh/cache-objects.ts";
import type { SteadyClock } from "../platform/clock.ts";

/** The kind of object that carries a filter to the proxies. */
export type Via = "envoyfilter" | "wasmplugin" | "trafficextension";

export const VIAS: readonly Via[] = ["envoyfilter", "wasmplugin", "trafficextension"];

/** Which workloads: of one kind, in one namespace, with these labels on the workload itself. */
export interface WorkloadQuery {
  readonly kind: WorkloadKind;
  /** Absent: the namespace of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** All must be there with these values; empty matches every workload of the kind. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only the workloads of these names; absent: whatever the labels match. */
  readonly names?: readonly string[] | undefined;
}

/** The node cache to use or make, and how long its nodes may take. Whether it keeps files follows from the delivery. */
export interface CacheRequest extends Omit<CacheSettings, "files" | "kubernetes"> {
  /** `make` (the default): it is made and kept up to date; `use`: used as it is; `none`: there is none, nobody looks. */
  readonly upkeep?: "make" | "use" | "none";
  /** What lists the image's digest already, from another repository, and stays since others name it; absent: nothing does. */
  readonly listedAs?: string | undefined;
  /** Milliseconds; 0 does not wait for the nodes. */
  readonly timeoutMs: number;
}

/** The object on whose behalf a filter is deployed: it owns what is made, in its own namespace. */
export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** What `deploy istio` is asked to do. */
export interface DeployRequest {
  readonly image: ImageReference;
  readonly id: string;
  /** Plugin config, verbatim. */
  readonly config: string | undefined;
  /** Absent: the first root id the image names. */
  readonly rootId: string | undefined;
  readonly patchContext: PatchContext;
  readonly priority: number;
  readonly failurePolicy: FailurePolicy;
  readonly phase: FilterPhase | undefined;
  readonly workloads: WorkloadQuery;
  readonly via: Via | "auto";
  /** How the module gets to the proxies; `auto` keeps the way of a filter that is there. */
  readonly delivery: Delivery | "auto";
  /** Name of a Secret with registry credentials, in the workload's namespace. */
  readonly pullSecret: string | undefined;
  /** What that Secret holds, where it was read already: a docker config. */
  readonly pullConfig?: string | undefined;
  readonly cache: CacheRequest;
  /** False skips looking at the image's format and ABI, and running its module. */
  readonly check: boolean;
  /** `client` contacts no cluster, `server` has every write tried with `dryRun=All`. */
  readonly dryRun: "client" | "server" | undefined;
  /** Files, folders or `-`: workloads come from there instead of a cluster. */
  readonly manifests: readonly string[];
  /** Takes over fields that other field managers own. */
  readonly forceConflicts: boolean;
  /** Waits at the end, for the roll-out that takes volumes away; one before the EnvoyFilter is always waited for. */
  readonly wait: boolean;
  /** Milliseconds a roll-out may take. */
  readonly timeoutMs: number;
  /** Gives every object of the filter this owner, and the label `wasme.io/filter-deployment` with its name. */
  readonly owner?: Owner | undefined;
}

/** What `undeploy istio` is asked to do. */
export interface UndeployRequest {
  readonly id: string;
  readonly workloads: WorkloadQuery;
  readonly dryRun: "server" | undefined;
  /** Waits for the roll-out that takes the volumes away. */
  readonly wait: boolean;
  readonly timeoutMs: number;
  /** The node cache, where nothing else tells: what a run that stopped half-way left is looked for there. */
  readonly cache?: Pick<CacheSettings, "name" | "namespace"> | undefined;
  /**
   * Takes what was made for this owner, of all ids and workloads of the namespace; finding nothing is no error then. It
   * no longer counts as needing anything.
   */
  readonly owner?: Owner | undefined;
  /** Objects that stay: with `owner`, those it still wants. */
  readonly keep?: readonly ObjectRef[] | undefined;
}

/** What the use cases of this room need of the outside. */
export interface DeployDeps {
  /** Opens the cluster; called at most once, and never for a client dry run or manifests. */
  readonly connect: () => Promise<KubePort>;
  readonly resolveImage: (reference: ImageReference, from: ImageSource) => Promise<ResolvedImage>;
  /** The wasm bytes of a resolved image; called at most once, and never without `check`. */
  readonly readModule: (image: ResolvedImage) => Promise<Uint8Array>;
  /** All of stdin, for `-f -`. */
  readonly readStdin: () => Promise<string>;
  readonly clock: SteadyClock;
  readonly cwd: string;
  readonly signal?: AbortSignal | undefined;
  /** As {@link ClusterDeps.cacheRestMs}. */
  readonly cacheRestMs?: number | undefined;
}

/** A connected cluster and what working on it needs. */
export interface ClusterDeps {
  readonly port: KubePort;
  readonly clock: SteadyClock;
  readonly events: EventSink;
  readonly signal?: AbortSignal | undefined;
  /**
   * True (the default): plans try every write as a dry run, and ask the server for each right beforehand. False: neither,
   * for a program whose rights are shipped with it.
   */
  readonly trial?: boolean | undefined;
  /** Where `port` answers from copies: the same cluster as it is at this moment. */
  readonly live?: KubePort | undefined;
  /** For who looks again and again instead of waiting: what nodes told of entries when these were written. */
  readonly oldFailures?: Map<string, OldFailures> | undefined;
  /** For so long a node cache serves on that its last filter has left, since proxies learn late. Milliseconds. */
  readonly cacheRestMs?: number | undefined;
}

/** Why nodes had failed when an entry had just been written: for a moment they may tell of an earlier try still. */
export interface OldFailures {
  /** By node. */
  readonly failed: ReadonlyMap<string, string>;
  /** When that was seen, in the steady clock's milliseconds. */
  readonly since: number;
}
