import { messageOf } from "../domain/errors.ts";
import type { KubePort } from "../kube/port.ts";
import { Kinds } from "../kube/kinds.ts";
import { cachePodLabels, nodeReportName } from "../mesh/cache-objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL, workloadLabel } from "../mesh/names.ts";
import { type EntryReport, formatEntryReport, NODE_ANNOTATION, NODE_LABEL } from "../mesh/node-report.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import type { CacheName } from "./cache-events.ts";
import { Wake } from "./wake.ts";

/** Where this process runs, as the downward API tells it. */
export interface NodeIdentity {
  readonly node: string;
  /** Absent outside a pod: then nobody owns the report. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

/** What the report is written with. */
export interface ReportWriterDeps {
  readonly port: Pick<KubePort, "apply">;
  readonly clock: Clock;
  readonly log: Log;
  readonly cache: CacheName;
  readonly identity: NodeIdentity;
  readonly reports: () => ReadonlyMap<string, EntryReport>;
}

/** Keeps a node's report in the cluster as it is here. */
export class ReportWriter {
  readonly #deps: ReportWriterDeps;
  readonly #wake = new Wake();

  constructor(deps: ReportWriterDeps) {
    this.#deps = deps;
  }

  /** Something changed: it is written soon, with what changes meanwhile. */
  changed(): void {
    this.#wake.now();
  }

  /** Writes until the signal ends it; never throws. Also from time to time: somebody may have deleted it. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, cache, identity } = this.#deps;
    let said = "";
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#write(signal);
        if (said !== "") log.info("the report of this node is written again");
        failures = 0;
        said = "";
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (said !== messageOf(error)) {
          log.warn(`cannot write the report ${nodeReportName(cache, identity.node)}, trying again`, { error });
        }
        said = messageOf(error);
      }
      const pause = failures === 0 ? AGAIN_MS : Math.min(AGAIN_MS, APART_MS * 2 ** failures);
      // An abort is what ends the loop.
      await clock.sleep(APART_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.#wake.rest(clock, pause, signal).catch(() => undefined);
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { port, cache, identity, reports } = this.#deps;
    const { node, pod } = identity;
    const owner = { apiVersion: "v1", kind: "Pod", name: pod?.name, uid: pod?.uid };
    const report = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: nodeReportName(cache, node),
        namespace: cache.namespace,
        labels: { ...cachePodLabels(cache), [MANAGED_BY_LABEL]: MANAGED_BY, [NODE_LABEL]: workloadLabel(node) },
        annotations: { [NODE_ANNOTATION]: node },
        ...(pod === undefined ? {} : { ownerReferences: [owner] }),
      },
      data: Object.fromEntries([...reports()].map(([key, each]) => [key, formatEntryReport(each)])),
    };
    await port.apply(Kinds.configMap, report, { force: true, signal });
  }
}

/** Two writes are never closer than this. Milliseconds. */
const APART_MS = 500;
/** What did not change is written again after so long. Milliseconds. */
const AGAIN_MS = 30_000;
