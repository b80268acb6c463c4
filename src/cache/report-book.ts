import type { EntryReport } from "../mesh/node-report.ts";
import { keyOfManifest, type ListEntry } from "./list-entry.ts";
import type { CachedImage } from "./cached-image.ts";

/** What became of one entry of the list. */
export interface EntryState {
  readonly state: EntryReport["state"];
  /** Its image, once known: also while a newer one cannot be had. */
  readonly image?: CachedImage | undefined;
  readonly error?: string | undefined;
  /** True when it was fetched just now; false for what was on the node already. */
  readonly isNew?: boolean;
}

/** A change of an entry: what it was and what it is. */
export interface EntryChange {
  readonly entry: ListEntry;
  readonly before: EntryState | undefined;
  readonly after: EntryState;
}

interface Line {
  readonly entry: ListEntry;
  readonly state: EntryState;
  readonly time: string;
}

/** What this node says of its list, entry by entry. */
export class ReportBook {
  readonly #lines = new Map<string, Line>();
  readonly #now: () => number;
  readonly #onChange: (change: EntryChange | undefined) => void;

  /** `onChange` is told of each change of an entry, and with `undefined` of one that was taken off the list. */
  constructor(now: () => number, onChange: (change: EntryChange | undefined) => void) {
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Does nothing when nothing changed. */
  set(entry: ListEntry, after: EntryState): void {
    const line = this.#lines.get(entry.id);
    const before = line?.state;
    if (before !== undefined && isSame(before, after)) return;
    const time = before?.state === after.state && line !== undefined ? line.time : timestamp(this.#now());
    this.#lines.set(entry.id, { entry, state: after, time });
    this.#onChange({ entry, before, after });
  }

  remove(id: string): void {
    if (this.#lines.delete(id)) this.#onChange(undefined);
  }

  of(id: string): EntryState | undefined {
    return this.#lines.get(id)?.state;
  }

  /** Everything listed, in no order. */
  lines(): readonly { readonly entry: ListEntry; readonly state: EntryState }[] {
    return [...this.#lines.values()];
  }

  /** The reports by the keys of the list. Of several entries for one manifest the one that is furthest counts. */
  reports(): ReadonlyMap<string, EntryReport> {
    const reports = new Map<string, EntryReport>();
    for (const { entry, state, time } of this.#lines.values()) {
      const key = keyOf(entry, state);
      const known = reports.get(key);
      if (known === undefined || RANK[state.state] > RANK[known.state]) reports.set(key, reportOf(entry, state, time));
    }
    return reports;
  }
}

const RANK: Readonly<Record<EntryReport["state"], number>> = { failed: 0, pulling: 1, ready: 2 };

/** What is pinned keeps its key; a tag has that of the manifest it means now. */
function keyOf(entry: ListEntry, { image }: EntryState): string {
  const isTag = entry.reference !== undefined && entry.reference.digest === undefined;
  return isTag && image !== undefined ? keyOfManifest(image.manifest.digest) : entry.key;
}

function reportOf(entry: ListEntry, { state, image, error }: EntryState, time: string): EntryReport {
  return {
    state,
    reference: entry.text,
    ...(image === undefined ? {} : { module: image.module, bytes: image.bytes }),
    time,
    ...(error === undefined ? {} : { error }),
  };
}

function isSame(one: EntryState, other: EntryState): boolean {
  return (
    one.state === other.state &&
    steady(one.error) === steady(other.error) &&
    one.image?.manifest.digest === other.image?.manifest.digest
  );
}

/** A registry may name the request or the time in what it says: that alone is no news. */
function steady(error: string | undefined): string | undefined {
  return error?.replaceAll(/[0-9a-f-]{16,}|\d+/giu, "#");
}

/** ISO 8601 with seconds, UTC. */
function timestamp(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
