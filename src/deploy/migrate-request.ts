import type { Delivery } from "../domain/delivery.ts";
import type { ImageAnswer } from "./migrate-images.ts";
import type { CacheRequest, Via } from "./request.ts";

/** What `migrate` is asked to do. */
export interface MigrateRequest {
  /** Absent: the namespace of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Looks in every namespace instead. */
  readonly allNamespaces: boolean;
  /** Images the user names, by filter id. */
  readonly images: readonly ImageAnswer[];
  readonly via: Via | "auto";
  readonly delivery: Delivery | "auto";
  /** Name of a Secret with registry credentials, in the workloads' namespaces. */
  readonly pullSecret: string | undefined;
  /** Where the old cache is, and how today's is set up in its place. */
  readonly cache: CacheRequest;
  /** Namespace and name of Istio's control plane: its version says whether the old filters do anything. */
  readonly istiod: { readonly namespace: string; readonly name: string };
  /** False skips looking at the images, and running their modules. */
  readonly check: boolean;
  /** `client` reads only, `server` has every write tried with `dryRun=All`. */
  readonly dryRun: "client" | "server" | undefined;
  readonly forceConflicts: boolean;
  /** Waits for the roll-outs that take the old volumes away. */
  readonly wait: boolean;
  /** Milliseconds a roll-out may take. */
  readonly timeoutMs: number;
}
