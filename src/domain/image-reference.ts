import { type Digest, isDigest } from "./digest.ts";
import { usageError } from "./errors.ts";

/**
 * Where an image lives: `host/repository[:tag][@digest]`. When both are there the digest says which bytes are
 * meant and the tag is a label. Parsed by Docker's familiar rules (distribution/reference).
 */
export interface ImageReference {
  /** Registry as named by the user, with port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly host: string;
  /** Path below the registry, lower case: `library/hello`, `team/filter`. */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`, "u");
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/u;
const DOMAIN_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`, "u");
const MAX_NAME = 255;
const DEFAULT_HOST = "docker.io";
const HUB_ALIASES: ReadonlySet<string> = new Set([
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
]);

/**
 * Parses what a user types: `test` is `docker.io/library/test:latest`, `localhost:5000/a` has a host, an optional
 * `oci://` in front is dropped, `name:tag@sha256:…` keeps both. Without tag and digest the tag is `latest`.
 * Throws `REFERENCE_INVALID` (usage).
 */
export function parseImageReference(text: string): ImageReference {
  const bare = text.startsWith("oci://") ? text.slice("oci://".length) : text;
  const { rest: named, digest } = cutDigest(bare, text);
  const { rest: name, tag } = cutTag(named);
  const { host, path } = cutHost(name);
  if (!isHost(host)) throw invalid(text, `${JSON.stringify(host)} is not a registry host`);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `${JSON.stringify(tag)} is not a tag`);
  const repository = host === DEFAULT_HOST && !path.includes("/") ? `library/${path}` : path;
  checkRepository(text, host, repository, path);
  return { host, repository, tag: tag ?? (digest === undefined ? "latest" : undefined), digest };
}

/**
 * The registry a user names for `login`: `ghcr.io`, `localhost:5000`, `https://ghcr.io/`. Throws `REGISTRY_INVALID`
 * (usage).
 */
export function parseRegistryHost(text: string): string {
  const host = normaliseHost(text.replace(/^(?:https?|oci):\/\//u, "").replace(/(?:\/v[12])?\/*$/u, ""));
  if (isHost(host)) return host;
  throw usageError("REGISTRY_INVALID", `${JSON.stringify(text.slice(0, 200))} is not a registry`, {
    hint: "name it like ghcr.io or registry.example.com:5000, without a repository",
  });
}

/** The full form, tag and digest as far as they are there: the key of the local store. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return `${reference.host}/${reference.repository}${tag}${digest}`;
}

/** `host/repository` without tag and digest: the NAME column. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.host}/${reference.repository}`;
}

/** What follows the repository in registry requests: the digest when there is one, else the tag. */
export function referenceTarget(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? "latest";
}

/** The same repository, pinned to `digest`; the tag stays as a readable label. */
export function withDigest(reference: ImageReference, digest: Digest): ImageReference {
  return { ...reference, digest };
}

/** Docker's grammar has names that no address can have: port 99999, 256.1.1.1, [:::]. */
function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`https://${text}/`);
}

/** Reduces Docker Hub's aliases to `docker.io`; other hosts get lower case. */
function normaliseHost(host: string): string {
  const lower = host.toLowerCase();
  return HUB_ALIASES.has(lower) ? DEFAULT_HOST : lower;
}

/** The first part is a host when it has a dot, a colon or capitals, or is `localhost`; else Docker Hub is meant. */
function cutHost(name: string): { host: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const named = first !== "" && (/[.:[]/u.test(first) || first === "localhost" || first !== first.toLowerCase());
  return named ? { host: normaliseHost(first), path: name.slice(slash + 1) } : { host: DEFAULT_HOST, path: name };
}

function cutDigest(bare: string, whole: string): { rest: string; digest: Digest | undefined } {
  const at = bare.indexOf("@");
  if (at === -1) return { rest: bare, digest: undefined };
  const digest = bare.slice(at + 1);
  if (!isDigest(digest)) throw invalid(whole, `${JSON.stringify(digest.slice(0, 80))} is not a digest`);
  return { rest: bare.slice(0, at), digest };
}

/** The tag follows the last colon, unless a slash comes after it (then it is a port). */
function cutTag(named: string): { rest: string; tag: string | undefined } {
  const colon = named.lastIndexOf(":");
  if (colon === -1 || named.indexOf("/", colon) !== -1) return { rest: named, tag: undefined };
  return { rest: named.slice(0, colon), tag: named.slice(colon + 1) };
}

function checkRepository(text: string, host: string, repository: string, path: string): void {
  if (path === "") throw invalid(text, "the repository name is missing");
  if (/[A-Z]/u.test(repository)) throw invalid(text, "repository names are lower case");
  if (!REPOSITORY.test(repository)) throw invalid(text, `${JSON.stringify(repository)} is not a repository name`);
  if (host.length + 1 + repository.length > MAX_NAME)
    throw invalid(text, `the name is longer than ${MAX_NAME} characters`);
  if (/^[a-f0-9]{64}$/u.test(path)) throw invalid(text, "64 hex digits alone are a digest, not a name");
}

function invalid(text: string, why: string): Error {
  return usageError("REFERENCE_INVALID", `invalid image reference ${JSON.stringify(text.slice(0, 200))}: ${why}`, {
    hint: "an image reference looks like registry.example.com/team/filter:v1",
  });
}
