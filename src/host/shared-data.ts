import { textOf, utf8ByteString } from "./byte-string.ts";

/** One entry of the shared data. */
export interface SharedDatum {
  /** Never written to once stored. */
  readonly value: Uint8Array;
  /** Changes with every write; a guest hands it back to write only if nobody else did. */
  readonly cas: number;
}

/**
 * The key-value store that filters with the same `vm_id` share. Writes are numbered by one counter for the whole store,
 * all `vm_id`s and keys together, as Envoy does. Keys are strings of bytes.
 */
export class SharedDataStore {
  readonly #byVm = new Map<string, Map<string, SharedDatum>>();
  #nextCas = 1;

  get(vmId: string, key: string): SharedDatum | undefined {
    return this.#byVm.get(vmId)?.get(key);
  }

  /** Stores a copy. False when the key exists, `cas` is not 0, and it is not the entry's number: nothing is changed then. */
  set(vmId: string, key: string, value: Uint8Array, cas = 0): boolean {
    const data = this.#byVm.get(vmId) ?? new Map<string, SharedDatum>();
    const old = data.get(key);
    if (old !== undefined && cas !== 0 && cas !== old.cas) return false;
    data.set(key, { value: value.slice(), cas: this.#nextCas });
    this.#byVm.set(vmId, data);
    this.#nextCas = this.#nextCas === MAX_CAS ? 1 : this.#nextCas + 1;
    return true;
  }

  /** Fills in an entry before filters start; `key` is text. It counts as a write. */
  seed(vmId: string, key: string, value: string | Uint8Array): void {
    this.set(vmId, utf8ByteString(key), typeof value === "string" ? new TextEncoder().encode(value) : value);
  }

  /** What is stored for a `vm_id`, keys as text, in the order of their first write. */
  list(vmId: string): { readonly key: string; readonly value: Uint8Array; readonly cas: number }[] {
    return Array.from(this.#byVm.get(vmId) ?? [], ([key, datum]) => ({ key: textOf(key), ...datum }));
  }
}

const MAX_CAS = 0xffff_ffff;
