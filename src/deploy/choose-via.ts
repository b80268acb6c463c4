import type { Delivery } from "../domain/delivery.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import type { FilterPhase } from "../domain/filter.ts";
import { kindNotServed } from "../kube/status-error.ts";
import { isObjectConfig } from "../mesh/plugin-spec.ts";
import { chooseDelivery, type DeliveryQuestion, isChoice, type Obstacle, obstacleText } from "./choose-delivery.ts";
import type { Via } from "./request.ts";
import { VIA_KIND } from "./via-kind.ts";

/** What decides which kind of object can carry a filter, and how its module gets to the proxies. */
export interface ViaQuestion extends DeliveryQuestion {
  readonly requested: Via | "auto";
  readonly config: string | undefined;
  readonly phase: FilterPhase | undefined;
  /** Kinds the cluster has; `undefined` when there is no cluster to ask. */
  readonly served: ReadonlySet<Via> | undefined;
}

/** The kind and the way taken, and why: lines of the plan. */
export interface ViaChoice {
  readonly via: Via;
  readonly reason: string;
  readonly delivery: Delivery;
  readonly deliveryReason: string;
}

/** What Istio recommends comes first; each is one object more to ask for than the next. */
const PREFERENCE: readonly Via[] = ["trafficextension", "wasmplugin", "envoyfilter"];

/**
 * Picks the kind of object, the one asked for, the one the filter has, or the first that is served and can express the
 * request, and with it the delivery. Throws `VIA_UNSUITABLE` (usage, or incompatible when it is the image or the pods that do not fit),
 * `KUBE_KIND_NOT_SERVED` (incompatible) for a kind the cluster lacks, `ISTIO_NOT_INSTALLED` (incompatible).
 */
export function chooseVia(question: ViaQuestion): ViaChoice {
  const { requested, served } = question;
  if (requested !== "auto") {
    const found = attempt(requested, question, "asked for with --via");
    if ("why" in found) throw unsuitable(requested, found, question);
    if (served !== undefined && !served.has(requested)) throw kindNotServed(VIA_KIND[requested]);
    return found;
  }
  return served === undefined ? withoutCluster(question) : firstPossible(question, served);
}

function firstPossible(question: ViaQuestion, served: ReadonlySet<Via>): ViaChoice {
  const passed: (Obstacle & { readonly via: Via })[] = [];
  const now = question.current?.via;
  // Another kind is another place among the filters, and may take a restart of all pods.
  for (const via of now === undefined ? PREFERENCE : [now, ...PREFERENCE.filter((other) => other !== now)]) {
    const best = via === now ? "the filter is deployed by it" : "Istio recommends it";
    const reason = passed.length === 0 ? best : obstaclesText(passed);
    const found = served.has(via) ? attempt(via, question, reason) : { why: "is not served by this cluster" };
    if (!("why" in found)) return found;
    passed.push({ ...found, via });
  }
  if (served.size === 0) throw noIstio();
  const simple = passed.filter(({ double }) => double !== true);
  // What would have to be mended for any kind comes first: it is behind the others, too.
  const told = passed.toSorted((a, b) => rank(a) - rank(b));
  const message = `no kind of object can express this: ${obstaclesText(told)}`;
  const hints = [...new Set((simple.length > 0 ? simple : passed).flatMap(({ hint }) => hint ?? []))];
  throw new WasmeError(
    "incompatible",
    "VIA_UNSUITABLE",
    message,
    hints.length === 0 ? {} : { hint: hints.join("; or ") },
  );
}

function rank({ double, hint }: Obstacle): number {
  return double !== true && hint !== undefined ? 0 : 1;
}

/** Kinds that share an obstacle are named together. */
function obstaclesText(passed: readonly (Obstacle & { readonly via: Via })[]): string {
  const causes = [...new Set(passed.map(({ why }) => why))];
  return causes
    .map((why) => {
      const kinds = passed.filter((one) => one.why === why).map(({ via }) => VIA_KIND[via].kind);
      return `${kinds.length === 1 ? "" : "each of "}${kinds.join(", ")} ${why}`;
    })
    .join("; ");
}

/** The choice of this kind with the delivery that fits it, or why it cannot express what was asked. */
function attempt(via: Via, question: ViaQuestion, reason: string): ViaChoice | Obstacle {
  const obstacle = via === "envoyfilter" ? obstacleToPhase(question) : obstacleToConfig(question);
  const found = chooseDelivery(via, question);
  if (obstacle !== undefined) return isChoice(found) ? obstacle : bothOf(obstacle, found);
  return isChoice(found) ? { via, reason, delivery: found.delivery, deliveryReason: found.reason } : found;
}

/** The first is told; who mends it alone is stopped by the second. */
function bothOf(first: Obstacle, second: Obstacle): Obstacle {
  const hints = [first.hint, second.hint].filter((hint) => hint !== undefined);
  return { ...first, hint: hints.join(", and "), double: true };
}

function obstacleToPhase({ phase }: ViaQuestion): Obstacle | undefined {
  if (phase === undefined) return undefined;
  return { why: "cannot express --phase", hint: "leave --phase out: the filter runs right before the router" };
}

function obstacleToConfig({ config }: ViaQuestion): Obstacle | undefined {
  // An empty text is none (filterOf).
  if (config === "" || isObjectConfig(config)) return undefined;
  const why = "takes a JSON object as --config, nothing else";
  return { why, hint: `pass --config '{"key":"value"}'`, kinds: ["envoyfilter"] };
}

function unsuitable(via: Via, obstacle: Obstacle, question: ViaQuestion): WasmeError {
  const message = obstacleText(via, obstacle);
  const { hint, kinds = [] } = obstacle;
  const able = kinds.filter((kind) => question.served?.has(kind) !== false && !("why" in attempt(kind, question, "")));
  const flags = able.map((kind) => `--via ${kind}`).join(" or ");
  const ways = [...(flags === "" ? [] : [`deploy with ${flags}`]), ...(hint === undefined ? [] : [hint])];
  const options = ways.length === 0 ? {} : { hint: ways.join(", or ") };
  if (obstacle.incompatible === true) return new WasmeError("incompatible", "VIA_UNSUITABLE", message, options);
  return usageError("VIA_UNSUITABLE", message, options);
}

function withoutCluster(question: ViaQuestion): ViaChoice {
  const found = attempt("envoyfilter", question, "there is no cluster to ask what it serves");
  if (!("why" in found)) return found;
  const hint = "say which kind the cluster serves: --via wasmplugin or --via trafficextension";
  throw usageError(
    "VIA_UNSUITABLE",
    `without a cluster to ask, --via auto means envoyfilter, and ${obstacleText("envoyfilter", found)}`,
    { hint },
  );
}

/** The error of a cluster without any of Istio's kinds. */
export function noIstio(): WasmeError {
  const kinds = PREFERENCE.map((via) => VIA_KIND[via].kind).join(", ");
  return new WasmeError("incompatible", "ISTIO_NOT_INSTALLED", `this cluster serves none of Istio's kinds ${kinds}`, {
    hint: "is Istio installed there? kubectl api-resources | grep istio.io",
  });
}
