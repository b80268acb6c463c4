import { digestParts, isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { PodPort, PodReader } from "../kube/pod-reader.ts";
import { canIHint } from "../kube/status-error.ts";
import { MODULE_DIGEST_ANNOTATION } from "../mesh/names.ts";
import { inParallel } from "./in-parallel.ts";
import { hasProxy } from "./pods.ts";
import type { ClusterDeps } from "./request.ts";
import { missingAccess } from "./require-access.ts";
import { type PodQuestion, selectedPods } from "./status-pods.ts";
import { findDiscovered, parseProxyStats, type ProxyStats } from "./status-proxy-stats.ts";
import { type Denied, failed, ok, type ProxyState, type StatusStep, unseen } from "./status-step.ts";

/** Where Istio's agent shows its own metrics and Envoy's. */
const AGENT_PORT = 15020;
const METRICS = "/stats/prometheus";
/** Envoy's own pages; mostly on loopback, out of the API server's reach. */
const ADMIN_PORT = 15000;
const EXTENSIONS = "/config_dump?resource=ecds_filters";
/** Pods that are asked of one workload. */
const MOST_PODS = 10;

/** What asking pods takes. */
export type ProxyDeps = Pick<ClusterDeps, "port" | "signal" | "trial"> & { readonly pods?: PodReader | undefined };

/** The step `proxies`: asks the proxies of the first few pods what they fetched and run. */
export async function proxySteps(
  deps: ProxyDeps,
  question: PodQuestion,
): Promise<{ readonly steps: readonly StatusStep[]; readonly proxies: readonly ProxyState[] }> {
  const { object, namespace, space } = question;
  const { pods: reader } = deps;
  if (reader === undefined || "denied" in space.pods) return { steps: [], proxies: [] };
  const pods = selectedPods(object, space.pods.seen).filter(hasProxy);
  if (pods.length === 0) return { steps: [], proxies: [] };
  const access = { verb: "get", kind: Kinds.pod, namespace, subresource: "proxy" } as const;
  const [missing] = await missingAccess(deps, [access]);
  if (missing !== undefined) return { steps: [unseen("proxies", deniedToAsk(namespace))], proxies: [] };
  const asked = pods.slice(0, MOST_PODS);
  const proxies = await inParallel(asked, (pod) => proxyState(deps, reader, { object, pod }));
  return { steps: [proxiesStep(question, proxies, pods.length)], proxies };
}

function deniedToAsk(namespace: string): Denied {
  const message = `not allowed to get pods/proxy in namespace ${JSON.stringify(namespace)}: cannot ask the proxies`;
  const question = canIHint({ verb: "get", kind: Kinds.pod, subresource: "proxy", namespace });
  return { message, fix: `${question} shows it; ask for a role with that verb` };
}

function proxiesStep({ namespace }: PodQuestion, proxies: readonly ProxyState[], count: number): StatusStep {
  const bad = proxies.filter(({ state }) => state === "failed");
  const hidden = proxies.filter(({ state }) => state === "unknown");
  const [first] = bad;
  if (first !== undefined) {
    const message = `${bad.length} of ${proxies.length} proxies do not run it; ${first.pod}: ${first.message}`;
    const fix = `kubectl logs -n ${namespace} ${first.pod} -c istio-proxy | grep -i wasm; a failed fetch is tried again when the pod restarts`;
    return failed("proxies", message, fix);
  }
  const [unknown] = hidden;
  if (unknown !== undefined) {
    const fix = `istioctl proxy-config ecds ${unknown.pod} -n ${namespace}`;
    return unseen("proxies", { message: `${unknown.pod}: ${unknown.message}`, fix });
  }
  const more = count > proxies.length ? `; ${count - proxies.length} more not asked` : "";
  return ok("proxies", `${proxies.length} of ${count} proxies asked, all run modules${more}`);
}

/** Asks one pod. A pod that does not answer is not known, never an error. */
export async function proxyState(
  deps: Pick<ClusterDeps, "signal">,
  reader: PodReader,
  { object, pod }: { readonly object: KubeObject; readonly pod: KubeObject },
): Promise<ProxyState> {
  const { name, namespace = "" } = pod.metadata;
  const ask = (port: number, path: string): Promise<Answer> =>
    askPod(deps, reader, { to: { namespace, pod: name, port }, path });
  const [metrics, dump] = await Promise.all([ask(AGENT_PORT, METRICS), ask(ADMIN_PORT, EXTENSIONS)]);
  const discovered = "text" in dump ? verdictOfDump(dump.text, object) : undefined;
  if (discovered !== undefined) return { pod: name, ...discovered };
  if ("text" in metrics) return { pod: name, ...verdictOf(parseProxyStats(metrics.text)) };
  return { pod: name, state: "unknown", message: `its port ${AGENT_PORT} does not answer: ${metrics.why}` };
}

type Answer = { readonly text: string } | { readonly why: string };

async function askPod(
  { signal }: Pick<ClusterDeps, "signal">,
  reader: PodReader,
  { to, path }: { readonly to: PodPort; readonly path: string },
): Promise<Answer> {
  try {
    const { status, text } = await reader.get(to, path, signal);
    return status === 200 ? { text } : { why: `status ${status}` };
  } catch (error) {
    if (error instanceof WasmeError && error.kind !== "interrupted") return { why: error.message };
    throw error;
  }
}

type Verdict = Pick<ProxyState, "state" | "message">;

/**
 * The metrics count all filters of the pod: none that runs is certain, all fetched and some running is a good sign. A
 * failure may be this filter's or another's, and of any time since the start.
 */
function verdictOf({ fetched, failures, running }: ProxyStats): Verdict {
  const reasons = [...failures].map(([why, count]) => `${count} × ${why}`).join(", ");
  const parts = [
    ...(fetched === undefined ? [] : [`${fetched} fetched`]),
    ...(reasons === "" ? [] : [`failed: ${reasons}`]),
    ...(running === undefined ? [] : [`${running} running`]),
  ];
  if (parts.length === 0) return { state: "unknown", message: "its metrics say nothing of modules" };
  const message = `modules since the proxy started: ${parts.join("; ")}`;
  if (running === 0 || (running === undefined && (fetched ?? 0) === 0)) return { state: "failed", message };
  if (reasons === "") return { state: "ok", message };
  return { state: "unknown", message: `${message}; whether this filter is among those that failed, they do not say` };
}

/** Envoy's own word for this filter, where it can be had. */
function verdictOfDump(dump: string, object: KubeObject): Verdict | undefined {
  const found = findDiscovered(dump, `${object.metadata.namespace ?? ""}.${object.metadata.name}`);
  if (found === undefined) return undefined;
  if (found.kind === "stand-in") {
    return { state: "failed", message: "Istio's agent could not fetch the module and put a filter in its place" };
  }
  if (found.kind === "other") return { state: "failed", message: `Envoy has ${found.type} in its place` };
  const digest = object.metadata.annotations?.[MODULE_DIGEST_ANNOTATION] ?? "";
  const wanted = isDigest(digest) && found.text.includes(digestParts(digest).hex);
  if (wanted) return { state: "ok", message: `Envoy has ${digest}` };
  return { state: "ok", message: "Envoy has the filter; which module, its file does not say" };
}
