import {
  formatReference,
  type ImageReference,
  parseImageReference,
  repositoryName,
} from "../domain/image-reference.ts";
import type { EntryState, ReportBook } from "./report-book.ts";
import type { ListEntry } from "./list-entry.ts";

/** A listed image that a name leads to. */
export interface NamedImage {
  readonly entry: ListEntry;
  readonly state: EntryState;
}

/**
 * The listed image a reference means: nothing else is answered by name. One that took a credential to pull is found
 * only by who names its digest, which nobody can guess: its name is no secret.
 */
export function findByReference(book: ReportBook, text: string): NamedImage | undefined {
  const wanted = parse(text);
  return wanted === undefined ? undefined : book.lines().find(({ entry, state }) => means(wanted, { entry, state }));
}

/** The listed images of a repository, with or without its host in front, whose tag or digest is `target`. */
export function findInMirror(
  book: ReportBook,
  place: { readonly name: string; readonly host: string | undefined },
  target: { readonly tag?: string; readonly digest?: string },
): NamedImage | undefined {
  return book.lines().find(({ entry: { reference, ...entry }, state }) => {
    if (reference === undefined || !isAt(reference, place)) return false;
    const wanted = { ...reference, tag: target.tag, digest: target.digest as ImageReference["digest"] };
    return means(wanted, { entry: { ...entry, reference }, state });
  });
}

/** The listed images of a repository. */
export function imagesInMirror(
  book: ReportBook,
  place: { readonly name: string; readonly host: string | undefined },
): readonly NamedImage[] {
  return book.lines().filter(({ entry: { reference } }) => reference !== undefined && isAt(reference, place));
}

function isAt(
  reference: ImageReference,
  { name, host }: { readonly name: string; readonly host: string | undefined },
): boolean {
  if (host !== undefined) return reference.host === host && reference.repository === name;
  return reference.repository === name || repositoryName(reference) === name;
}

function means(wanted: ImageReference, { entry, state }: NamedImage): boolean {
  const { reference } = entry;
  if (reference === undefined || repositoryName(reference) !== repositoryName(wanted)) return false;
  if (wanted.digest !== undefined) {
    return wanted.digest === reference.digest || wanted.digest === state.image?.manifest.digest;
  }
  return wanted.tag === reference.tag && state.image?.isPrivate !== true;
}

function parse(text: string): ImageReference | undefined {
  try {
    return parseImageReference(text);
  } catch {
    return undefined;
  }
}

/** For messages. */
export function nameOf({ entry }: NamedImage): string {
  return entry.reference === undefined ? entry.text : formatReference(entry.reference);
}
