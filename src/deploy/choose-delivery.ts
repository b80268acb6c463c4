import type { Delivery } from "../domain/delivery.ts";
import { formatReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { ServerVersion } from "../kube/port.ts";
import { installCommand } from "./cache-options.ts";
import { cacheOf } from "./cache-name.ts";
import { VIA_KIND } from "./via-kind.ts";
import type { Via } from "./request.ts";

/** What is known of the node cache; `undefined` in a question means that nobody was asked. */
export interface CacheSight {
  /** `namespace/name`. */
  readonly title: string;
  /** The first thing of it that we may not see, if any: it counts as not there. */
  readonly unseen?: string | undefined;
  /** Its pods and its list are there. */
  readonly there: boolean;
  /** Proxies can reach it over HTTP. */
  readonly service: boolean;
  /** It keeps modules in a directory of the node. */
  readonly files: boolean;
  /** The tool of before made it. */
  readonly old?: boolean;
  /** This tool may change it: we made it, or it is still to be made. */
  readonly changeable: boolean;
  /** Why it cannot fetch this very image, as a node reports it. */
  readonly failure?: string | undefined;
}

/** How a filter is deployed at present. */
export interface CurrentWay {
  readonly via: Via;
  readonly delivery: Delivery;
}

/** What decides how a module gets to the proxies. */
export interface DeliveryQuestion {
  readonly delivery: Delivery | "auto";
  readonly pullSecret: string | undefined;
  /** `undefined` while only the request is looked at. */
  readonly image: Pick<ResolvedImage, "reference" | "source" | "proxyRefusal" | "isPrivate" | "format"> | undefined;
  /** How the filter gets to these workloads now; `undefined` when it is not there, or in more than one way. */
  readonly current?: CurrentWay | undefined;
  readonly cache?: CacheSight | undefined;
  readonly kubernetes?: ServerVersion | undefined;
  /** Why files on the node cannot reach the pods, if so: pod security. */
  readonly noFiles: string | undefined;
  /** Why no volume can be mounted into the proxies, if so: a gateway without a proxy container. */
  readonly noMount?: string | undefined;
}

/** What stands in the way, as the rest of a sentence that begins with the kind. */
export interface Obstacle {
  readonly why: string;
  /** What to change, whatever kind is used. */
  readonly hint?: string;
  /** Other kinds that may do: of no use to who has all kinds tried. */
  readonly kinds?: readonly Via[];
  /** More stands in the way behind it: the hint leads out only as a whole. */
  readonly double?: boolean;
  /** The image or the cluster does not fit, rather than the flags. */
  readonly incompatible?: boolean;
}

/** The way taken, and why: a line of the plan. */
export interface DeliveryChoice {
  readonly delivery: Delivery;
  readonly reason: string;
}

/**
 * Picks the way for one kind of object: the one asked for; else the way of the filter that is there; else the node cache
 * over HTTP when it is there; else what needs nothing in the cluster (by EnvoyFilter, which has no credentials of its
 * own: files, as ever). A volume is only used when it is asked for. The obstacle is that of the last way.
 */
export function chooseDelivery(via: Via, question: DeliveryQuestion): DeliveryChoice | Obstacle {
  if (question.delivery !== "auto") {
    const obstacle = obstacleTo(via, question.delivery, question);
    return obstacle ?? { delivery: question.delivery, reason: "asked for with --delivery" };
  }
  const passed: string[] = [];
  let last: Obstacle | undefined;
  for (const { delivery, reason, not, hint } of candidates(via, question)) {
    const nots = [...passed, not].join("; ");
    last =
      not === undefined
        ? obstacleTo(via, delivery, question)
        : { why: `has no way to the module: ${nots}`, hint: hint ?? TRY_AGAIN, incompatible: true };
    if (last === undefined) return { delivery, reason: [...passed, reason].join("; ") };
    passed.push(not ?? `${delivery} is not possible any more`);
  }
  const { why, ...rest } = last ?? { why: "cannot be delivered" };
  // What may not be seen counted as not there: it may be all that is amiss.
  const unseen = question.cache?.unseen;
  return { ...rest, why: unseen === undefined ? why : `${why}; ${unseen}` };
}

const NO_SERVICE =
  "no node cache is known that serves modules over HTTP, and an EnvoyFilter has no credentials of its own";
const NAME_SECRET =
  "name a Secret of the workloads' namespace with --pull-secret; or deploy with --delivery registry, if the proxies have credentials of their own";
const TRY_AGAIN = "correct that, or name credentials with --pull-secret; --delivery cache-http tries it again as it is";

interface Candidate {
  readonly delivery: Delivery;
  readonly reason: string;
  /** Why it is not even tried. */
  readonly not?: string;
  /** What to do about that. */
  readonly hint?: string;
}

function candidates(via: Via, question: DeliveryQuestion): readonly Candidate[] {
  const { current, cache, pullSecret } = question;
  const same = current?.via === via ? [current.delivery] : [];
  const kept = same.map((delivery): Candidate => ({ delivery, reason: "as the filter is delivered now" }));
  const plain: Candidate =
    via === "envoyfilter"
      ? { delivery: "cache-file", reason: cache?.service === true ? "what is left" : NO_SERVICE }
      : { delivery: "registry", reason: "the proxies pull the image themselves" };
  const unseen = cache?.unseen === undefined ? [] : [cache.unseen];
  const cached = cacheCandidate(cache, pullSecret);
  // A registry that failed once is no reason to mount directories into pods: they would wait for the same registry.
  const left = { ...plain, reason: [...unseen, plain.reason].join("; "), ...withoutCredentials(plain, question) };
  const instead = plain.delivery === "cache-file" && cached.length > 0 ? [] : [left];
  return [...kept, ...cached, ...instead];
}

/** A failure that was told before is no obstacle to credentials that nobody has tried yet. */
function cacheCandidate(cache: CacheSight | undefined, pullSecret: string | undefined): readonly Candidate[] {
  if (cache === undefined || !cache.there || !cache.service) return [];
  const reason = `the node cache ${cache.title} serves it`;
  if (cache.failure === undefined || pullSecret !== undefined) return [{ delivery: "cache-http", reason }];
  return [{ delivery: "cache-http", reason, not: `the node cache ${cache.title} cannot fetch it: ${cache.failure}` }];
}

/** Proxies have none, and neither has a node cache that is still to be made; what was refused once takes a proxy's traffic. */
function withoutCredentials(
  { delivery }: Candidate,
  { image, pullSecret, cache }: DeliveryQuestion,
): Pick<Candidate, "not" | "hint"> {
  if (!isUnreadable({ image, pullSecret }) || (delivery === "cache-file" && cache?.there !== false)) return {};
  const host = image?.reference.host ?? "the registry";
  return { not: `${host} wants credentials for this image, and none would go with it`, hint: NAME_SECRET };
}

/** True when its registry refuses it to who has no credentials, and the request names none. */
export function isUnreadable({ image, pullSecret }: Pick<DeliveryQuestion, "image" | "pullSecret">): boolean {
  return image?.isPrivate === true && pullSecret === undefined;
}

/** Why this kind of object cannot get its module this way; `undefined` when it can. */
function obstacleTo(via: Via, delivery: Delivery, question: DeliveryQuestion): Obstacle | undefined {
  const obstacles = {
    registry: obstacleToRegistry,
    "cache-http": obstacleToHttp,
    "cache-file": obstacleToFiles,
    "image-volume": obstacleToVolume,
  };
  return obstacles[delivery](question, via);
}

function obstacleToRegistry({ image, pullSecret, delivery }: DeliveryQuestion, via: Via): Obstacle | undefined {
  if (via === "envoyfilter" && pullSecret !== undefined) {
    return {
      why: "has no place for --pull-secret: with --delivery registry it is for public images",
      hint: "deploy with --delivery cache-http",
      kinds: ["wasmplugin"],
    };
  }
  if (via === "envoyfilter" && delivery === "registry" && image?.isPrivate === true) {
    return {
      why: `is for public images with --delivery registry, and ${image.reference.host} wants credentials for this one`,
      hint: "deploy with --delivery cache-http and --pull-secret",
      incompatible: true,
    };
  }
  if (image?.proxyRefusal === undefined) return undefined;
  const why = `needs an image Istio reads, and it refuses this one: ${image.proxyRefusal}`;
  return { why, hint: `${rewriteHint(image, "oci")}; or deploy with --delivery cache-http`, incompatible: true };
}

function obstacleToHttp({ cache }: DeliveryQuestion): Obstacle | undefined {
  if (cache === undefined || cache.service || cache.changeable) return undefined;
  return {
    why: `cannot use the node cache ${cache.title}: ${cache.unseen ?? "it has no Service, and was installed by other means"}`,
    hint: `${renewHint(cache)}, or deploy with --delivery registry`,
    incompatible: true,
  };
}

const SEE_CACHE = "ask for a role with that verb, or deploy with --delivery registry";

/** What makes today's cache of it. */
function renewHint({ old = false, title }: CacheSight, more = ""): string {
  return old ? `"wasme migrate" makes today's of it` : `install it anew with "${installCommand(cacheOf(title), more)}"`;
}

function obstacleToFiles(question: DeliveryQuestion, via: Via): Obstacle | undefined {
  const { noFiles = question.noMount, cache, delivery } = question;
  if (noFiles !== undefined) {
    // Another kind has other ways, unless this one is asked for.
    return delivery === "auto" && via === "envoyfilter"
      ? { ...withoutMount(noFiles), kinds: ["wasmplugin"] }
      : withoutMount(noFiles);
  }
  if (cache === undefined || cache.files || cache.changeable) return undefined;
  const renew = `${renewHint(cache, " --files")}, or deploy with --delivery cache-http`;
  return {
    why: `cannot use files of the node cache ${cache.title}: it keeps none, and was installed by other means`,
    // Files are what is left then: over HTTP it may do, which only who sees it whole can tell.
    hint: delivery === "auto" && cache.unseen !== undefined ? SEE_CACHE : renew,
    incompatible: true,
  };
}

function obstacleToVolume(question: DeliveryQuestion, via: Via): Obstacle | undefined {
  if (via === "envoyfilter") {
    return {
      why: "cannot be used with --delivery image-volume: a proxy without the volume would open no port",
      hint: "deploy with --delivery cache-http",
      kinds: ["wasmplugin", "trafficextension"],
    };
  }
  if (question.pullSecret !== undefined) {
    return {
      why: "has no use for --pull-secret with --delivery image-volume: the kubelet pulls the image",
      hint: "leave --pull-secret out, and name the Secret in imagePullSecrets of the pods or their service account",
    };
  }
  if (question.noMount !== undefined) return withoutMount(question.noMount);
  const { image, kubernetes } = question;
  if (image !== undefined && image.format !== "compat") {
    return {
      why: `needs an image in the compat layout for --delivery image-volume, and this one has the layout ${image.format}`,
      hint: rewriteHint(image, "compat"),
      incompatible: true,
    };
  }
  if (kubernetes === undefined || kubernetes.major > 1 || kubernetes.minor >= IMAGE_VOLUMES) return undefined;
  return {
    why: `cannot mount images on Kubernetes ${kubernetes.major}.${kubernetes.minor}: --delivery image-volume needs 1.${IMAGE_VOLUMES}`,
    hint: "deploy with --delivery cache-http",
    incompatible: true,
  };
}

/** The minor version from which image volumes are on without a feature gate (KEP-4639). */
const IMAGE_VOLUMES = 35;

function withoutMount(why: string): Obstacle {
  const hint = "deploy with --delivery cache-http: the proxies then fetch the module themselves";
  return { why: `cannot be used here: ${why}`, hint, incompatible: true };
}

/** How to come by another layout. A digest names bytes: another layout has another one. */
function rewriteHint({ reference, source }: Pick<ResolvedImage, "reference" | "source">, format: string): string {
  const name = formatReference({ ...reference, digest: undefined });
  if (source === "store") return `"wasme convert ${name} NAME --format ${format}" makes one it reads`;
  return `"wasme pull ${name}", then "wasme push ${name} --format ${format}" makes it one`;
}

/** True when a way was found. */
export function isChoice(found: DeliveryChoice | Obstacle): found is DeliveryChoice {
  return "delivery" in found;
}

/** The plan's word on a better way than the one that is kept; `undefined` when there is nothing to say. */
export function betterWay(choice: DeliveryChoice, { delivery, cache, current }: DeliveryQuestion): string | undefined {
  const kept = delivery === "auto" && choice.delivery === current?.delivery;
  if (!kept || choice.delivery === "cache-http" || cache?.service !== true || !cache.there) return undefined;
  return `the node cache ${cache.title} could serve it: --delivery cache-http changes over without a gap`;
}

/** `EnvoyFilter cannot …`. */
export function obstacleText(via: Via, { why }: Obstacle): string {
  return `${VIA_KIND[via].kind} ${why}`;
}
