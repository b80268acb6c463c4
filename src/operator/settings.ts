/** How the operator works. */
export interface OperatorSettings {
  /** Its own namespace: the Lease is there. */
  readonly namespace: string;
  /** Name of the Lease. */
  readonly lease: string;
  /** False: it works at once; to be used when no other one can run. */
  readonly leaderElect: boolean;
  /** The namespaces it looks after; empty: all. */
  readonly watchNamespaces: readonly string[];
  /** The node cache it keeps the list of; absent: it uses none. */
  readonly cache: CacheLocation | undefined;
  /** FilterDeployments in work at once. */
  readonly workers: number;
  /** Milliseconds after which a tag is looked up again: it may have been pushed anew. */
  readonly resolveMs: number;
  /** Milliseconds after which an object is looked at although nothing happened. */
  readonly resyncMs: number;
  /** Bytes of the largest module that is run on trial; a larger one is refused. */
  readonly maxModule: number;
}

/** Which node cache. */
export interface CacheLocation {
  readonly name: string;
  readonly namespace: string;
}
