import type { MetricStore } from "./metrics.ts";
import type { SharedDataStore } from "./shared-data.ts";
import type { SharedQueueStore } from "./shared-queue.ts";
import type { Timers } from "./timers.ts";

/** What all VMs of a host share. Each service is a class of its own file, made by `Host`. */
export interface HostServices {
  /** Runs the task when the host is settled next (`Host.settle`), never from within a call into a guest. */
  post(task: () => void): void;
  readonly sharedData: SharedDataStore;
  /** Made with the `post` above. */
  readonly sharedQueues: SharedQueueStore;
  readonly metrics: MetricStore;
  /** Ticks; owned by root contexts. */
  readonly timers: Timers;
}
