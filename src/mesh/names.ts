import { digestOf, digestParts } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";

/** Label and annotation keys of everything wasme makes. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
export const MANAGED_BY = "wasme";
export const FILTER_LABEL = "wasme.io/filter";
export const WORKLOAD_LABEL = "wasme.io/workload";
export const WORKLOAD_KIND_LABEL = "wasme.io/workload-kind";
/** The image as pinned: `host/repo:tag@sha256:…`. */
export const IMAGE_ANNOTATION = "wasme.io/image";
/** Digest of the image's manifest. */
export const IMAGE_DIGEST_ANNOTATION = "wasme.io/image-digest";
/** How the module gets to the proxies. */
export const DELIVERY_ANNOTATION = "wasme.io/delivery";
/** Which node cache the module comes from, `namespace/name`: what taking the filter away has to tidy. */
export const CACHE_ANNOTATION = "wasme.io/cache";
/** Name of the FilterDeployment that owns the object, shortened as {@link workloadLabel} does. */
export const FILTER_DEPLOYMENT_LABEL = "wasme.io/filter-deployment";
/** Digest of the wasm bytes. */
export const MODULE_DIGEST_ANNOTATION = "wasme.io/module-digest";

/** Longest label value, and longest object name (Kubernetes: object names and IDs; labels and selectors). */
const MAX_LABEL = 63;
const MAX_NAME = 253;
const DNS_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/u;

/**
 * Checks a filter id: it names objects and is a label value, so lower-case letters, digits, `-` and `.`, at most 63.
 * Throws `FILTER_ID_INVALID` (usage).
 */
export function checkFilterId(id: string): void {
  if (id.length <= MAX_LABEL && DNS_NAME.test(id)) return;
  const why = id.length > MAX_LABEL ? `it has ${id.length} characters, at most ${MAX_LABEL} are allowed` : RULE;
  const proposal = proposeId(id);
  throw usageError("FILTER_ID_INVALID", `${JSON.stringify(id.slice(0, 100))} cannot be a filter id: ${why}`, {
    hint: proposal === "" ? "for example: --id my-filter" : `for example: --id ${proposal}`,
  });
}

/**
 * Name of the object that puts filter `id` on a workload: `<workload>-<id>`. Throws `FILTER_ID_INVALID`, or
 * `OBJECT_NAME_TOO_LONG` (usage) beyond 253 characters.
 */
export function filterObjectName(workload: string, id: string): string {
  checkFilterId(id);
  const name = `${workload}-${id}`;
  if (name.length <= MAX_NAME) return name;
  throw usageError(
    "OBJECT_NAME_TOO_LONG",
    `the name ${name.slice(0, 60)}… has ${name.length} characters, at most ${MAX_NAME} are allowed`,
    {
      hint: "choose a shorter --id",
    },
  );
}

/**
 * The workload's name as a label value: itself up to 63 characters, else its first 46 and 16 hex digits of its hash.
 * Use it both to label and to look objects up.
 */
export function workloadLabel(name: string): string {
  return shortened(name, MAX_LABEL);
}

/** The same for the name of an object: itself up to 253 characters, else its first 236 and 16 hex digits of its hash. */
export function shortName(name: string): string {
  return shortened(name, MAX_NAME);
}

function shortened(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const { hex } = digestParts(digestOf(name));
  return `${name.slice(0, limit - 17)}-${hex.slice(0, 16)}`;
}

const RULE = "it must consist of lower-case letters, digits, - and ., and start and end with a letter or digit";

function proposeId(id: string): string {
  return id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .slice(0, MAX_LABEL)
    .replaceAll(/^-+|-+$/gu, "");
}
