import { isAbsolute } from "node:path";
import { usageError } from "../domain/errors.ts";

/** Where a template comes from: one that ships with wasme, a folder, or a git repository. */
export type TemplateSource =
  | { readonly kind: "catalogue"; readonly name: string }
  | { readonly kind: "folder"; readonly path: string }
  | GitSource;

/** A template in a git repository. */
export interface GitSource {
  readonly kind: "git";
  /** For git, as it stands. */
  readonly url: string;
  /** Branch, tag or commit; the repository's default branch when absent. */
  readonly ref?: string;
  /** Folder inside the repository, `/` between parts. */
  readonly folder?: string;
}

/**
 * Reads what `--template` was given. `https://`, `ssh://`, `file://` or `git@host:` begins a git URL, which may end with
 * `//folder` and then `#ref`; what begins with `.`, `/` or `~` is a folder; the rest is a name of the catalogue. Throws
 * `TEMPLATE_URL_INVALID` (usage) for what git must not be given.
 */
export function parseTemplateSource(text: string): TemplateSource {
  const scheme = /^([a-z][a-z0-9+.-]*):(?:\/\/|:)/iu.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return parseUrl(text, scheme);
  if (SCP.test(text)) return parseGit(text, text.indexOf(":") + 1);
  if (/^\.{1,2}(?:$|[/\\])|^~/u.test(text) || isAbsolute(text)) return { kind: "folder", path: text };
  return { kind: "catalogue", name: text };
}

/** `git@github.com:acme/filters.git`: how ssh is written without a scheme. */
const SCP = /^[\w.-]+@[\w.-]+:/u;

function parseUrl(text: string, scheme: string): GitSource {
  // A host ends at `?` and `#`, too: what stands before a later @ is no user.
  const host = /:\/\/(?:[^/@?#\\]*@)?(\[[^\]]*\]|[^/:?#]*)/u.exec(text)?.[1] ?? "";
  // What is not encrypted can be altered on its way: from this machine only.
  const schemes = LOOPBACK.has(host) ? [...SCHEMES, "http", "git"] : SCHEMES;
  if (!schemes.includes(scheme)) throw invalid(text, `${scheme}: is not one of ${SCHEMES.join(", ")}`);
  // Would be an option to ssh; git refuses it as well.
  if (host.startsWith("-")) throw invalid(text, "the host begins with -");
  return parseGit(text, text.indexOf("://") + "://".length);
}

const SCHEMES: readonly string[] = ["https", "ssh", "file"];
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

function parseGit(text: string, start: number): GitSource {
  const hash = text.indexOf("#", start);
  const [place, ref] = hash === -1 ? [text, undefined] : [text.slice(0, hash), text.slice(hash + 1)];
  // `file:///a//b`: the path's own slash is no end of the repository.
  const slashes = place.indexOf("//", start + 1);
  const url = slashes === -1 ? place : place.slice(0, slashes);
  const folder = slashes === -1 ? undefined : place.slice(slashes + 2).replace(/\/+$/u, "");
  if (ref !== undefined && !REF.test(ref)) throw invalid(text, `${JSON.stringify(ref)} is no branch, tag or commit`);
  if (folder !== undefined && !isInside(folder)) throw invalid(text, `${JSON.stringify(folder)} is no folder in it`);
  if (hasControl(url) || url.length > MAX_URL) throw invalid(text, "it is no URL");
  return {
    kind: "git",
    url,
    ...(ref === undefined ? {} : { ref }),
    ...(folder === undefined ? {} : { folder }),
  };
}

const REF = /^(?!.*\.\.)[\w][\w./+@-]{0,200}$/u;
const MAX_URL = 2000;

/** A path in a template: relative, with no part that leads elsewhere or means something to a system or to git. */
export function isInside(path: string): boolean {
  if (path.length > MAX_PATH || hasControl(path) || /[\\:*?"<>|]/u.test(path)) return false;
  return path.split("/").every((part) => part !== "" && !/^\.{1,2}$/u.test(part) && !/^\.git[ .]*$/iu.test(part));
}

const MAX_PATH = 240;

function hasControl(text: string): boolean {
  return /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text);
}

function invalid(text: string, why: string): Error {
  return usageError(
    "TEMPLATE_URL_INVALID",
    `cannot take a template from ${JSON.stringify(text.slice(0, 200))}: ${why}`,
    {
      hint: "for example https://example.com/acme/filters.git//auth#v1: a repository, a folder in it, a branch or tag",
    },
  );
}
