import { type Digest, digestOf, digestParts, isDigest } from "../domain/digest.ts";
import { messageOf } from "../domain/errors.ts";
import { formatReference, type ImageReference, parseImageReference, withDigest } from "../domain/image-reference.ts";
import { redact } from "../domain/redact.ts";

/** One image the list names, or a line of it that names none. */
export interface ListEntry {
  /** Equal for equal images, wherever they are listed. */
  readonly id: string;
  /** The key under which it is listed, or would be: that of its report until its manifest is known. */
  readonly key: string;
  /** As listed, without secrets: others read it in reports and events. */
  readonly text: string;
  /** What it means; `undefined` for what cannot be read. */
  readonly reference: ImageReference | undefined;
  /** Why it cannot be read, one sentence. */
  readonly problem?: string;
}

/** The key of a manifest in the list and in reports: `sha256-…`. */
export function keyOfManifest(manifest: Digest): string {
  const { algorithm, hex } = digestParts(manifest);
  return `${algorithm}-${hex}`;
}

/**
 * The entries of the list's ConfigMap. A key `sha256-<manifest>` holds one reference, which the key pins; any other key
 * holds a list with one reference a line, as the old tool wrote it. What cannot be read is an entry with its problem.
 */
export function entriesOfConfigMap(data: Readonly<Record<string, string>>): readonly ListEntry[] {
  return unique(
    Object.entries(data).flatMap(([key, value]) => {
      const pin = pinOf(key);
      return pin === undefined ? entriesOfText(value) : [pinnedEntry(key, pin, value.trim())];
    }),
  );
}

/** The entries of a list with one reference a line. Blank lines and those that start with `#` say nothing. */
export function entriesOfText(text: string): readonly ListEntry[] {
  const lines = text.split(/\r?\n/u).map((line) => line.trim());
  return unique(lines.filter((line) => line !== "" && !line.startsWith("#")).map(entryOf));
}

/** Each image once, in the order given. */
export function unique(entries: readonly ListEntry[]): readonly ListEntry[] {
  const byId = new Map<string, ListEntry>();
  for (const entry of entries) if (!byId.has(entry.id)) byId.set(entry.id, entry);
  return [...byId.values()];
}

function entryOf(text: string): ListEntry {
  try {
    const reference = parseImageReference(text);
    const id = formatReference(reference);
    const key = reference.digest === undefined ? nameKey(id) : keyOfManifest(reference.digest);
    return { id, key, text: redact(text), reference };
  } catch (error) {
    return broken(nameKey(text), text, messageOf(error));
  }
}

/** The key says which manifest is meant; a tag beside it is only a label. */
function pinnedEntry(key: string, pin: Digest, text: string): ListEntry {
  const entry = entryOf(text);
  if (entry.reference === undefined) return broken(key, text, entry.problem ?? "");
  const { digest } = entry.reference;
  if (digest !== undefined && digest !== pin) {
    return broken(key, text, `its key names the manifest ${pin}, its reference ${digest}`);
  }
  const reference = withDigest(entry.reference, pin);
  return { id: formatReference(reference), key, text: entry.text, reference };
}

function broken(key: string, text: string, problem: string): ListEntry {
  return {
    id: `${key}=${text}`,
    key,
    text: redact(text).slice(0, LONGEST_TEXT),
    reference: undefined,
    problem: redact(problem),
  };
}

function pinOf(key: string): Digest | undefined {
  const digest = key.replace("-", ":");
  return isDigest(digest) ? digest : undefined;
}

/** The key of what has no digest yet: fit for a ConfigMap, whatever was written. */
function nameKey(text: string): string {
  return `name-${digestParts(digestOf(text)).hex.slice(0, 32)}`;
}

/** Longer than any reference. */
const LONGEST_TEXT = 512;
