import type { Descriptor } from "./descriptor.ts";
import { isDigest } from "./digest.ts";
import { WasmeError } from "./errors.ts";
import { isObject, tryParseJson } from "./json.ts";
import { bareMediaType, isIndexType, MediaType } from "./media-types.ts";

/** An image manifest (OCI image spec, manifest.md; Docker's schema 2 has the same shape). */
export interface OciManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image index (OCI image spec, image-index.md) or Docker manifest list. */
export interface OciIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What {@link parseManifest} found. `mediaType` is the effective one, `bytes` are exactly those that were read. */
export type ParsedManifest =
  | { readonly kind: "image"; readonly mediaType: string; readonly manifest: OciManifest; readonly bytes: Uint8Array }
  | { readonly kind: "index"; readonly mediaType: string; readonly index: OciIndex; readonly bytes: Uint8Array };

/** Larger manifests are refused before they are parsed, as registries do (distribution spec). Bytes. */
export const MAX_MANIFEST: number = 4 * 1024 * 1024;

/** More layers, or children of an index, than any real image has. */
const MAX_DESCRIPTORS = 4096;

/**
 * Parses the manifest `bytes`, which somebody served or stored as `mediaType`. The bytes are kept as they are, since
 * their digest is the image's identity; keys we do not know are ignored. A `mediaType` inside that contradicts the one
 * outside is refused (the OCI advisory on ambiguous manifests, CVE-2021-41190).
 * Throws `MANIFEST_INVALID` (failed), or `MANIFEST_UNSUPPORTED` (incompatible) for Docker's schema 1.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string | undefined): ParsedManifest {
  if (bytes.byteLength > MAX_MANIFEST) throw invalid(`it is larger than ${MAX_MANIFEST} bytes`);
  const value = tryParseJson(new TextDecoder("utf-8").decode(bytes));
  if (!isObject(value)) throw invalid("it is not a JSON object");
  refuseSchema1(value, mediaType);
  if (value["schemaVersion"] !== 2) throw invalid('"schemaVersion" is not 2');
  const effective = effectiveType(value, bareMediaType(mediaType));
  const common = {
    schemaVersion: 2 as const,
    ...optional("mediaType", optionalString(value, "mediaType")),
    ...optional("artifactType", optionalString(value, "artifactType")),
    ...optional("subject", value["subject"] === undefined ? undefined : parseDescriptor(value["subject"], "subject")),
    ...optional("annotations", annotationsOf(value, "the manifest")),
  };
  if (isIndexType(effective)) {
    const index = { ...common, manifests: descriptors(value, "manifests") };
    return { kind: "index", mediaType: effective, index, bytes };
  }
  const manifest = {
    ...common,
    config: parseDescriptor(value["config"], "config"),
    layers: descriptors(value, "layers"),
  };
  return { kind: "image", mediaType: effective, manifest, bytes };
}

/** Checks that `value` is a descriptor; `where` names it in errors. Throws `MANIFEST_INVALID`. */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw invalid(`"${where}" is not a descriptor`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== "string" || mediaType === "") throw invalid(`"${where}" has no mediaType`);
  if (typeof digest !== "string" || !isDigest(digest)) throw invalid(`"${where}" has no valid digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`"${where}" has no valid size`);
  return {
    mediaType,
    digest,
    size,
    ...optional("annotations", annotationsOf(value, where)),
    ...optional("artifactType", optionalString(value, "artifactType")),
    ...optional("platform", platformOf(value["platform"])),
  };
}

/** Everything a manifest or index points to, in the order a reader needs it; the subject is not part of the image. */
export function referencedBy(parsed: ParsedManifest): readonly Descriptor[] {
  return parsed.kind === "image" ? [parsed.manifest.config, ...parsed.manifest.layers] : parsed.index.manifests;
}

function refuseSchema1(value: Record<string, unknown>, mediaType: string | undefined): void {
  const outer = bareMediaType(mediaType);
  const old = outer === MediaType.dockerManifestV1 || outer === MediaType.dockerManifestV1Signed;
  if (!old && value["schemaVersion"] !== 1) return;
  throw new WasmeError("incompatible", "MANIFEST_UNSUPPORTED", "the manifest is in Docker's retired schema 1", {
    hint: "push the image again with a current tool",
  });
}

/** The type inside wins when the outer one is absent or vague; two definite ones must agree. */
function effectiveType(value: Record<string, unknown>, outer: string | undefined): string {
  const inner = bareMediaType(optionalString(value, "mediaType"));
  const known = outer !== undefined && MANIFEST_TYPES.has(outer) ? outer : undefined;
  if (inner !== undefined && known !== undefined && inner !== known) {
    throw invalid(`it says ${JSON.stringify(inner)} but came as ${JSON.stringify(known)}`);
  }
  const looksLikeIndex = Array.isArray(value["manifests"]);
  if (looksLikeIndex && Array.isArray(value["layers"])) throw invalid('it has both "layers" and "manifests"');
  const type = inner ?? known ?? (looksLikeIndex ? MediaType.ociIndex : MediaType.ociManifest);
  if (!MANIFEST_TYPES.has(type)) {
    throw new WasmeError("incompatible", "MANIFEST_UNSUPPORTED", `${JSON.stringify(type)} is not an image manifest`);
  }
  return type;
}

function descriptors(value: Record<string, unknown>, key: string): readonly Descriptor[] {
  const list = value[key];
  if (!Array.isArray(list)) throw invalid(`"${key}" is not a list`);
  if (list.length > MAX_DESCRIPTORS) throw invalid(`"${key}" has more than ${MAX_DESCRIPTORS} entries`);
  return list.map((item, at) => parseDescriptor(item, `${key}[${at}]`));
}

function annotationsOf(value: Record<string, unknown>, where: string): Readonly<Record<string, string>> | undefined {
  const found = value["annotations"];
  if (found === undefined || found === null) return undefined;
  if (!isObject(found)) throw invalid(`annotations of ${where} are not an object`);
  const entries = Object.entries(found);
  if (entries.some(([, text]) => typeof text !== "string")) throw invalid(`an annotation of ${where} is not a string`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function platformOf(value: unknown): { readonly os?: string; readonly architecture?: string } | undefined {
  if (!isObject(value)) return undefined;
  return {
    ...optional("os", optionalString(value, "os")),
    ...optional("architecture", optionalString(value, "architecture")),
  };
}

function optionalString(value: Record<string, unknown>, key: string): string | undefined {
  const found = value[key];
  return typeof found === "string" && found !== "" ? found : undefined;
}

/** `{[key]: value}`, or nothing when the value is absent: `exactOptionalPropertyTypes` knows the difference. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}

function invalid(why: string): Error {
  return new WasmeError("failed", "MANIFEST_INVALID", `not a valid image manifest: ${why}`);
}

const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MediaType.ociManifest,
  MediaType.ociIndex,
  MediaType.dockerManifest,
  MediaType.dockerIndex,
]);
