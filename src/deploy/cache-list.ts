import { digestOf, digestParts } from "../domain/digest.ts";
import type { JsonObject } from "../domain/json.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import { cacheEntryPatch } from "../mesh/cache-objects.ts";
import type { Owner } from "./request.ts";

/*
 * How deploys and undeploys that know nothing of each other share a cache's list (docs/architecture.md, "The list"):
 * - who is about to need an entry says so first ("coming"), and takes it back when its objects are there to be seen;
 * - who is about to need it no more says so ("going"), so that a run that is stopped can be gone on with;
 * - an entry is taken out when nobody is coming and no object needs it, by what the server says then, in the very
 *   version of the list in which that was asked: whoever says something in between makes that write fail.
 * Each notice is an annotation of its own, so nobody who says something can be in the way of somebody else.
 */

/** An entry of a cache's list. */
export interface ListEntry {
  readonly key: string;
  readonly value: string;
}

/** What filter `from` says of an entry. */
export interface Notice {
  readonly key: string;
  readonly from: string;
}

/** What a filter says of an entry it needs: that it is coming, or, once its objects are there to be seen, nothing. */
export interface Saying {
  readonly from: string;
  readonly coming: boolean;
}

/** A filter as notices name it: `namespace/id`, or by the FilterDeployment it is for, which may change its id. */
export function speakerOf(
  namespace: string,
  { id, owner }: { readonly id: string; readonly owner?: Owner | undefined },
): string {
  return owner === undefined ? `${namespace}/${id}` : `${namespace}/${owner.kind}/${owner.name}`;
}

/** All notices of one word on a list. */
export function noticesOn(list: KubeObject | undefined, word: "coming" | "going"): readonly Notice[] {
  return Object.entries(stringMapAt(list, "metadata", "annotations")).flatMap(([name, text]) => {
    const [key = "", from = ""] = text.split(" ");
    return name.startsWith(`${PREFIX}${word}-`) && from !== "" ? [{ key, from }] : [];
  });
}

/** The keys of which `from` says something. */
export function keysOf(list: KubeObject | undefined, from: string): readonly string[] {
  const own = [...noticesOn(list, "coming"), ...noticesOn(list, "going")].filter((notice) => notice.from === from);
  return [...new Set(own.map(({ key }) => key))];
}

/** The filters of the namespace, but for `from`, that are coming: their objects are not there yet. */
export function othersComing(list: KubeObject | undefined, from: string, namespace: string): readonly string[] {
  const speakers = noticesOn(list, "coming").map((notice) => notice.from);
  return [...new Set(speakers)].filter((one) => one !== from && one.startsWith(`${namespace}/`));
}

/** True when `from` says this word of the entry. */
export function says(list: KubeObject, word: "coming" | "going", notice: Notice): boolean {
  return stringMapAt(list, "metadata", "annotations")[nameOf(word, notice)] !== undefined;
}

/** True when the list has the entry and says of the filter what it should. */
export function isAnnounced(list: KubeObject, entry: ListEntry, saying: Saying): boolean {
  const notice = { key: entry.key, from: saying.from };
  const coming = says(list, "coming", notice) === saying.coming;
  return isListed(list, entry) && coming && !says(list, "going", notice);
}

/** True when the list has the entry as it should be: from this repository. Two that name it by two tags do not take turns. */
export function isListed(list: KubeObject, { key, value }: ListEntry): boolean {
  const present = stringMapAt(list, "data")[key];
  return present !== undefined && isSameSource(present, value);
}

/** True for two pinned references to one digest of one repository: the tag of a pinned reference means nothing. */
export function isSameSource(one: string, other: string): boolean {
  return withoutTag(one) === withoutTag(other);
}

function withoutTag(pinned: string): string {
  return pinned.replace(/:[\w.-]+@/u, "@");
}

/** The merge patch that puts an entry on, and says what the filter says of it. */
export function announcePatch(entry: ListEntry, saying: Saying): JsonObject {
  const notice = { key: entry.key, from: saying.from };
  const coming = saying.coming ? textOf(notice) : null;
  return annotated({ [nameOf("coming", notice)]: coming, [nameOf("going", notice)]: null, [EMPTIED]: null }, [entry]);
}

/** The merge patch that says that the filter is about to need an entry no more. */
export function goingPatch(notice: Notice): JsonObject {
  return annotated({ [nameOf("going", notice)]: textOf(notice), [nameOf("coming", notice)]: null });
}

/** The merge patch that takes back that the filter goes. */
export function stayPatch(notice: Notice): JsonObject {
  return annotated({ [nameOf("going", notice)]: null });
}

/**
 * The merge patch that takes an entry out with all that is said of it; `keep` is the one notice that stays. `emptied`
 * notes that the list has lost its last entry, when it has: only then may the cache go.
 */
export function releasePatch(
  list: KubeObject,
  key: string,
  { keep, emptied }: { readonly keep?: string | undefined; readonly emptied: boolean },
): JsonObject {
  const said = (["coming", "going"] as const).flatMap((word) =>
    noticesOn(list, word)
      .filter((notice) => notice.key === key && !(word === "going" && notice.from === keep))
      .map((notice) => [nameOf(word, notice), null] as const),
  );
  const last = Object.keys(stringMapAt(list, "data")).every((other) => other === key);
  const note = emptied && last ? { [EMPTIED]: "true" } : {};
  return annotated({ ...Object.fromEntries(said), ...note }, [{ key, value: null }]);
}

/** True when a release took the last entry out, and nobody has said anything since: the cache may go. */
export function isEmptied(list: KubeObject): boolean {
  const silent = noticesOn(list, "coming").length === 0 && noticesOn(list, "going").length === 0;
  const empty = Object.keys(stringMapAt(list, "data")).length === 0;
  return silent && empty && stringMapAt(list, "metadata", "annotations")[EMPTIED] !== undefined;
}

function annotated(
  annotations: Readonly<Record<string, string | null>>,
  entries: Parameters<typeof cacheEntryPatch>[0] = [],
): JsonObject {
  return { ...(entries.length === 0 ? {} : cacheEntryPatch(entries)), metadata: { annotations } };
}

function textOf({ key, from }: Notice): string {
  return `${key} ${from}`;
}

/** One for each filter and entry; the name of an annotation may not be longer than 63 characters. */
function nameOf(word: "coming" | "going", notice: Notice): string {
  return `${PREFIX}${word}-${digestParts(digestOf(textOf(notice))).hex.slice(0, HASH_LENGTH)}`;
}

const PREFIX = "wasme.io/";
const EMPTIED = `${PREFIX}emptied`;
const HASH_LENGTH = 40;
