import type { ClusterDeps } from "../deploy/request.ts";
import type { Recorder } from "../controller/event-recorder.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import type { CachedPort } from "./cached-port.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { Images } from "./images.ts";
import type { Later } from "./later.ts";
import type { OperatorSettings } from "./settings.ts";
import type { Verifier } from "./verify-filter.ts";
import type { Waits } from "./waits.ts";

/** The name its events are told under. */
export const CONTROLLER = "wasme.io/operator";

/** What reconciling needs. */
export interface ReconcilerDeps {
  readonly port: CachedPort;
  readonly view: ClusterView;
  readonly clock: SteadyClock;
  readonly images: Images;
  readonly verifier: Verifier;
  /** Registries and trials, which no worker waits for long. */
  readonly later: Later;
  readonly recorder: Recorder;
  readonly log: Log;
  readonly settings: OperatorSettings;
  /** Keys of the cache's list that FilterDeployments (`namespace/name`) are about to need, though no status says so yet. */
  readonly announced: Map<string, string>;
  /** How long they have been waiting. */
  readonly waits: Waits;
}

/** One FilterDeployment in work. */
export interface Work {
  readonly deps: ReconcilerDeps;
  readonly live: KubeObject;
  readonly namespace: string;
  readonly cluster: ClusterDeps;
  readonly signal: AbortSignal;
}
