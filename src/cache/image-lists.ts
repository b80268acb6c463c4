import { unique, entriesOfConfigMap, entriesOfText, type ListEntry } from "./list-entry.ts";

/** Where entries come from. */
export type ListSource = "arguments" | "file" | "cluster";

/** The lists of a cache as one: what is named anywhere is wanted. */
export class ImageLists {
  readonly #wanted: ReadonlySet<ListSource>;
  readonly #entries = new Map<ListSource, readonly ListEntry[]>();
  readonly #read = new Set<ListSource>();
  readonly #onChange: (entries: readonly ListEntry[]) => void;
  /** Resolves once every source was read. */
  readonly known: Promise<void>;
  #resolveKnown: () => void = () => undefined;

  /** `sources` are those that will be read; `onChange` is given all entries whenever a list was read. */
  constructor(sources: readonly ListSource[], onChange: (entries: readonly ListEntry[]) => void) {
    this.#wanted = new Set(sources);
    this.#onChange = onChange;
    this.known = new Promise((resolve) => (this.#resolveKnown = resolve));
  }

  /** True once every source was read: what is in none of them is unlisted. */
  get isKnown(): boolean {
    return [...this.#wanted].every((source) => this.#read.has(source));
  }

  /** The sources that were not read yet. */
  get missing(): readonly ListSource[] {
    return [...this.#wanted].filter((source) => !this.#read.has(source));
  }

  get entries(): readonly ListEntry[] {
    return unique([...this.#entries.values()].flat());
  }

  /** A list of references, one a line. */
  setText(source: ListSource, text: string): void {
    this.#set(source, entriesOfText(text), true);
  }

  /** The data of the list's ConfigMap; from `memory` when an earlier run left it. */
  setData(data: Readonly<Record<string, string>>, from: "server" | "memory" = "server"): void {
    this.#set("cluster", entriesOfConfigMap(data), from === "server");
  }

  /** What is remembered has to do: the source does not answer. */
  settle(source: ListSource): void {
    this.#read.add(source);
    this.#changed();
  }

  #set(source: ListSource, entries: readonly ListEntry[], isRead: boolean): void {
    this.#entries.set(source, entries);
    if (isRead) this.#read.add(source);
    this.#changed();
  }

  #changed(): void {
    this.#onChange(this.entries);
    if (this.isKnown) this.#resolveKnown();
  }
}
