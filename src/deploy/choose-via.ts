import { usageError, WasmeError } from "../domain/errors.ts";
import type { FilterPhase, PatchContext } from "../domain/filter.ts";
import { formatReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { kindNotServed } from "../kube/status-error.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { isObjectConfig } from "../mesh/plugin-spec.ts";
import type { Via } from "./request.ts";

/** What decides which kind of object can carry a filter. */
export interface ViaQuestion {
  readonly requested: Via | "auto";
  readonly config: string | undefined;
  readonly phase: FilterPhase | undefined;
  readonly pullSecret: string | undefined;
  readonly patchContext: PatchContext;
  /** `undefined` while only the request is looked at. */
  readonly image: Pick<ResolvedImage, "reference" | "source" | "proxyRefusal"> | undefined;
  /** Kinds the cluster has; `undefined` when there is no cluster to ask. */
  readonly served: ReadonlySet<Via> | undefined;
  /** Why files on the node cannot reach the pods, if so: pod security, or a gateway without a proxy container. */
  readonly noFiles: string | undefined;
}

/** The kind taken, and why: a line of the plan. */
export interface ViaChoice {
  readonly via: Via;
  readonly reason: string;
}

/** The kind of object behind each way. */
export const VIA_KIND: Readonly<Record<Via, ResourceKind>> = {
  trafficextension: Kinds.trafficExtension,
  wasmplugin: Kinds.wasmPlugin,
  envoyfilter: Kinds.envoyFilter,
};

/** What Istio recommends comes first; each is one object more to ask for than the next. */
const PREFERENCE: readonly Via[] = ["trafficextension", "wasmplugin", "envoyfilter"];

/**
 * Picks the kind of object: the one asked for, or the first that is served and can express the request.
 * Throws `VIA_UNSUITABLE` (usage, or incompatible when it is the image or the pods that do not fit),
 * `KUBE_KIND_NOT_SERVED` (incompatible) for a kind the cluster lacks.
 */
export function chooseVia(question: ViaQuestion): ViaChoice {
  const { requested, served } = question;
  if (requested !== "auto") {
    const obstacle = obstacleTo(requested, question);
    if (obstacle !== undefined) throw unsuitable(requested, obstacle);
    if (served !== undefined && !served.has(requested)) throw kindNotServed(VIA_KIND[requested]);
    return { via: requested, reason: "asked for with --via" };
  }
  if (served === undefined) return withoutCluster(question);
  const passed: string[] = [];
  for (const via of PREFERENCE) {
    const kind = VIA_KIND[via].kind;
    const obstacle = served.has(via) ? obstacleTo(via, question) : { why: "is not served by this cluster" };
    if (obstacle === undefined) return { via, reason: passed.length === 0 ? "Istio recommends it" : passed.join("; ") };
    passed.push(`${kind} ${obstacle.why}`);
  }
  if (served.size === 0) throw noIstio();
  throw new WasmeError("incompatible", "VIA_UNSUITABLE", `no kind of object can express this: ${passed.join("; ")}`);
}

/** Why a kind cannot express what was asked, looking at the request alone; `undefined` when it can. */
function obstacleTo(via: Via, question: Omit<ViaQuestion, "requested" | "served">): Obstacle | undefined {
  return via === "envoyfilter" ? obstacleToFiles(question) : obstacleToPlugin(question);
}

/** What stands in the way, as the rest of a sentence that begins with the kind. */
export interface Obstacle {
  readonly why: string;
  readonly hint?: string;
  /** The image or the cluster does not fit, rather than the flags. */
  readonly incompatible?: boolean;
}

function obstacleToFiles(question: Omit<ViaQuestion, "requested" | "served">): Obstacle | undefined {
  if (question.phase !== undefined) {
    return { why: "cannot express --phase", hint: "leave --phase out: the filter runs right before the router" };
  }
  if (question.pullSecret !== undefined) {
    return { why: "has no use for --pull-secret: the node cache fetches the module", hint: "leave --pull-secret out" };
  }
  if (question.noFiles === undefined) return undefined;
  const hint = "deploy with --via wasmplugin: the proxies then fetch the module themselves";
  return { why: `cannot be used here: ${question.noFiles}`, hint, incompatible: true };
}

function obstacleToPlugin(question: Omit<ViaQuestion, "requested" | "served">): Obstacle | undefined {
  if (!isObjectConfig(question.config)) {
    const hint = `pass --config '{"key":"value"}', or deploy with --via envoyfilter`;
    return { why: "takes a JSON object as --config, nothing else", hint };
  }
  if (question.image?.proxyRefusal === undefined) return undefined;
  const why = `needs an image Istio reads, and it refuses this one: ${question.image.proxyRefusal}`;
  return { why, hint: `${rewriteHint(question.image)}; or deploy with --via envoyfilter`, incompatible: true };
}

/** How to come by a layout Istio reads. A digest names bytes: another layout has another one. */
function rewriteHint({ reference, source }: Pick<ResolvedImage, "reference" | "source">): string {
  const name = formatReference({ ...reference, digest: undefined });
  if (source === "store") return `"wasme convert ${name} NAME --format oci" makes one it reads`;
  return `"wasme pull ${name}", then "wasme push ${name} --format oci" makes it one`;
}

function unsuitable(via: Via, obstacle: Obstacle): WasmeError {
  const message = `${VIA_KIND[via].kind} ${obstacle.why}`;
  const options = obstacle.hint === undefined ? {} : { hint: obstacle.hint };
  if (obstacle.incompatible === true) return new WasmeError("incompatible", "VIA_UNSUITABLE", message, options);
  return usageError("VIA_UNSUITABLE", message, options);
}

function withoutCluster(question: ViaQuestion): ViaChoice {
  const obstacle = obstacleTo("envoyfilter", question);
  if (obstacle === undefined) return { via: "envoyfilter", reason: "there is no cluster to ask what it serves" };
  const hint = "say which kind the cluster serves: --via wasmplugin or --via trafficextension";
  throw usageError(
    "VIA_UNSUITABLE",
    `without a cluster to ask, --via auto means envoyfilter, and EnvoyFilter ${obstacle.why}`,
    { hint },
  );
}

function noIstio(): WasmeError {
  const kinds = PREFERENCE.map((via) => VIA_KIND[via].kind).join(", ");
  return new WasmeError("incompatible", "ISTIO_NOT_INSTALLED", `this cluster serves none of Istio's kinds ${kinds}`, {
    hint: "is Istio installed there? kubectl api-resources | grep istio.io",
  });
}
