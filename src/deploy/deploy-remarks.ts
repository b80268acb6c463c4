import type { Delivery } from "../domain/delivery.ts";
import type { Filter } from "../domain/filter.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { resourceName } from "../kube/kinds.ts";
import { betterWay, isUnreadable } from "./choose-delivery.ts";
import type { ViaChoice, ViaQuestion } from "./choose-via.ts";
import { overlapWarnings } from "./overlap-warnings.ts";
import type { EditChange, Plan } from "./plan.ts";
import type { DeployRequest, Via } from "./request.ts";
import { targetWarnings } from "./target-warnings.ts";
import { VIA_KIND } from "./via-kind.ts";
import type { Surroundings } from "./look-around.ts";

/** What is said about a plan. */
export type Remarks = Pick<Plan, "notes" | "warnings">;

/** What a reader of the plan is told: by notes what happens and why, by warnings what may go wrong. */
export function remarksOn(
  request: DeployRequest,
  place: Surroundings,
  plan: {
    readonly filter: Filter;
    readonly image: ResolvedImage;
    readonly choice: ViaChoice;
    readonly question: ViaQuestion;
    readonly edits: readonly EditChange[];
    /** On the image, on the way, on what goes. */
    readonly notes: readonly [readonly string[], readonly string[], readonly string[]];
  },
): Remarks {
  const { filter, image, choice, question, edits } = plan;
  const { targets, all } = place;
  const { delivery } = choice;
  const [onImage, onWay, onTidying] = plan.notes;
  const restarts = edits.some(({ action }) => action === "update");
  const better = betterWay({ delivery, reason: "" }, question) ?? [];
  const chosen = targets.map(({ workload }) => workload);
  return {
    notes: [
      ...headNotes(request, filter, { image, choice }),
      ...onImage,
      ...[better].flat(),
      ...onWay,
      ...(restarts ? [] : ["no pod restarts"]),
      ...onTidying,
    ],
    warnings: [
      ...overlapWarnings(chosen, all(), delivery),
      ...targetWarnings(targets, edits),
      ...registryWarnings(delivery, image),
      ...privateWarnings(delivery, question),
      ...unseenLabels(place, delivery),
      ...unseenKinds(request.id, place, choice.via),
    ],
  };
}

/** The plan's first lines: what goes where, which bytes exactly, by which kind of object, and how they get there. */
export function headNotes(
  request: DeployRequest,
  filter: Filter,
  settled: { readonly image: ResolvedImage; readonly choice: ViaChoice },
): readonly string[] {
  const { image, choice } = settled;
  const root = filter.rootId === "" ? "" : ` (root id ${filter.rootId})`;
  return [
    `filter ${request.id}${root}: ${formatReference(withDigest(image.reference, image.manifestDigest))}, found in the ${image.source === "store" ? "local store" : "registry"}`,
    `module ${image.moduleDigest}`,
    `by ${VIA_KIND[choice.via].kind}: ${choice.reason}`,
    `delivery ${choice.delivery}: ${choice.deliveryReason}`,
  ];
}

/** What may not be seen, told before a way is chosen: that may fail, and this may be why. */
export function unseenWarnings(place: Surroundings, delivery: Delivery): Plan["warnings"] {
  return [...unseenLabels(place, delivery), ...unseenCache(place)];
}

/** The same filter may be there by another kind, and would run twice. */
function unseenKinds(id: string, { found, namespace }: Surroundings, via: Via): Plan["warnings"] {
  const hidden = found.denied.filter((kind) => kind !== via).map((kind) => resourceName(VIA_KIND[kind]));
  if (hidden.length === 0) return [];
  const right = `not allowed to list ${hidden.join(" and ")} in namespace ${JSON.stringify(namespace)}`;
  return [{ message: `${right}: if filter ${id} is there by such an object, it runs twice` }];
}

/** Whether pods with a directory of the node are let in stands in labels that we may not see. */
function unseenLabels({ labels, namespace }: Surroundings, delivery: Delivery): Plan["warnings"] {
  if (labels !== undefined || delivery !== "cache-file") return [];
  const right = `not allowed to get namespaces ${JSON.stringify(namespace)}`;
  return [{ message: `${right}: its pod security may forbid hostPath volumes, and then no new pod starts` }];
}

/** What was refused may be why another way is taken than the one that is wanted. */
function unseenCache({ cache }: Surroundings): Plan["warnings"] {
  const { unseen } = cache.sight;
  return unseen === undefined ? [] : [{ message: `${unseen}: the node cache counts as not there` }];
}

function registryWarnings(delivery: Delivery, image: ResolvedImage): Plan["warnings"] {
  const { host } = image.reference;
  if (!LOOPBACK.test(host)) return [];
  const cache = "the node cache";
  const who = { registry: "the proxies", "cache-http": cache, "cache-file": cache, "image-volume": "the kubelets" }[
    delivery
  ];
  const message = `${who} will pull from ${host}, which is another machine there than it is here`;
  return [{ message, hint: "push the image to a registry the cluster reaches" }];
}

/** Asked for, or as it is now: the proxies may have credentials that nobody sees. */
function privateWarnings(delivery: Delivery, question: ViaQuestion): Plan["warnings"] {
  if (delivery !== "registry" || !isUnreadable(question)) return [];
  const message = `${question.image?.reference.host ?? "the registry"} wants credentials for this image: a proxy without them refuses all requests, or goes on without the filter`;
  return [{ message, hint: "name a Secret of the workloads' namespace with --pull-secret" }];
}

const LOOPBACK = /^(?:localhost|127\.|\[::1\])/u;
