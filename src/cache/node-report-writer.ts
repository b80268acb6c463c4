import { messageOf, WasmeError } from "../domain/errors.ts";
import { listAt, stringAt } from "../kube/objects.ts";
import type { KubePort } from "../kube/port.ts";
import { Kinds } from "../kube/kinds.ts";
import { cachePodLabels, nodeReportName } from "../mesh/cache-objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL, workloadLabel } from "../mesh/names.ts";
import { type EntryReport, NODE_ANNOTATION, NODE_LABEL } from "../mesh/node-report.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import type { CacheName } from "./cache-events.ts";
import { reportData } from "./report-data.ts";
import { Wake } from "./wake.ts";

/** Where this process runs, as the downward API tells it. */
export interface NodeIdentity {
  readonly node: string;
  /** Absent outside a pod: then nobody owns the report. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

/** What the report is written with. */
export interface ReportWriterDeps {
  readonly port: Pick<KubePort, "apply" | "patch">;
  readonly clock: Clock;
  readonly log: Log;
  readonly cache: CacheName;
  readonly identity: NodeIdentity;
  readonly reports: () => ReadonlyMap<string, EntryReport>;
}

/**
 * Keeps a node's report in the cluster as it is here. While a node's pod is replaced there are two of them: the one that
 * came last writes, the other looks now and then whether that one is still there.
 */
export class ReportWriter {
  readonly #deps: ReportWriterDeps;
  readonly #name: string;
  readonly #wake = new Wake();
  /** Of the report as we wrote it last. */
  #version: string | undefined;
  #isOthers = false;
  #left = 0;

  constructor(deps: ReportWriterDeps) {
    this.#deps = deps;
    this.#name = nodeReportName(deps.cache, deps.identity.node);
  }

  /** Something changed: it is written soon, with what changes meanwhile. */
  changed(): void {
    this.#wake.now();
  }

  /** Writes until the signal ends it; never throws. Also from time to time: somebody may have deleted it. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
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
        if (said !== messageOf(error)) log.warn(`cannot write the report ${this.#name}, trying again`, { error });
        said = messageOf(error);
      }
      // An abort is what ends the loop.
      await this.#pause(failures, signal).catch(() => undefined);
    }
  }

  /** Nodes must not all come at the same time: neither after a change of their list, nor after the server was away. */
  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    if (failures > 0) return await clock.sleep(vary(Math.min(MOST_PAUSE_MS, APART_MS * 2 ** failures)), signal);
    if (this.#isOthers) return await clock.sleep(vary(MOST_PAUSE_MS), signal);
    await this.#wake.rest(clock, vary(AGAIN_MS), signal);
    await clock.sleep(vary(APART_MS), signal);
  }

  async #write(signal: AbortSignal): Promise<void> {
    if (this.#isOthers && !(await this.#isMine(signal))) return;
    try {
      await this.#apply(signal);
    } catch (error) {
      if (!WRITTEN_SINCE.has(codeOf(error))) throw error;
      if (await this.#isMine(signal)) await this.#apply(signal);
      else this.#deps.log.info("another pod of this node writes its report now");
    }
  }

  /** The first time over whatever is there, then only over what we wrote. */
  async #apply(signal: AbortSignal): Promise<void> {
    const { port, cache, identity, reports, log } = this.#deps;
    const { node, pod } = identity;
    const owner = { apiVersion: "v1", kind: "Pod", name: pod?.name, uid: pod?.uid };
    const { data, left } = reportData(reports());
    if (left > 0 && this.#left === 0) log.error("the list is too long for the report of this node", { left });
    this.#left = left;
    const report = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: this.#name,
        namespace: cache.namespace,
        labels: { ...cachePodLabels(cache), [MANAGED_BY_LABEL]: MANAGED_BY, [NODE_LABEL]: workloadLabel(node) },
        annotations: { [NODE_ANNOTATION]: node },
        ...(pod === undefined ? {} : { ownerReferences: [owner] }),
        ...(this.#version === undefined ? {} : { resourceVersion: this.#version }),
      },
      data,
    };
    const written = await port.apply(Kinds.configMap, report, { force: true, signal });
    this.#version = written.metadata.resourceVersion;
  }

  /** Whether the report is ours to write as it is now. A patch of nothing reads it: no other right is needed. */
  async #isMine(signal: AbortSignal): Promise<boolean> {
    const { port, cache, identity } = this.#deps;
    const ref = { kind: Kinds.configMap, name: this.#name, namespace: cache.namespace };
    const report = await port.patch(ref, {}, { signal }).catch((error: unknown) => {
      if (codeOf(error) !== "KUBE_NOT_FOUND") throw error;
      return undefined;
    });
    this.#version = report?.metadata.resourceVersion;
    const owners = report === undefined ? [] : listAt(report, "metadata", "ownerReferences");
    this.#isOthers = owners.length > 0 && owners.every((owner) => stringAt(owner, "uid") !== identity.pod?.uid);
    return !this.#isOthers;
  }
}

function codeOf(error: unknown): string {
  return error instanceof WasmeError ? error.code : "";
}

/** What the server says to a write over a version that is not there any more. */
const WRITTEN_SINCE: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "KUBE_NOT_FOUND"]);

/** Two writes are rarely closer than this. Milliseconds. */
const APART_MS = 700;
const MOST_PAUSE_MS = 30_000;
/** What did not change is written again after so long. Milliseconds. */
const AGAIN_MS = 120_000;

/** Half less or more. */
function vary(ms: number): number {
  return ms * (0.5 + Math.random());
}
