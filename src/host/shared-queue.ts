import { textOf, utf8ByteString } from "./byte-string.ts";

/** Told of every entry put into a queue: the guest's root context that registered it last. */
export type QueueOwner = (queue: number) => void;

/** What was taken from a queue, `empty`, or `unknown` for an id no queue has. */
export type Dequeued = Uint8Array | "empty" | "unknown";

/**
 * The queues filters share, by `vm_id` and name (a string of bytes). Putting something in posts one notice to the
 * owner, which comes when the caller is done, even if the entry is gone by then.
 */
export class SharedQueueStore {
  readonly #post: (task: () => void) => void;
  readonly #ids = new Map<string, Map<string, number>>();
  readonly #queues: Queue[] = [];

  /** `post` runs a task later, when no guest is running. */
  constructor(post: (task: () => void) => void) {
    this.#post = post;
  }

  /** The queue's id, made when there is none. It belongs to `owner` from now on, and keeps what it holds. */
  register(vmId: string, name: string, owner: QueueOwner | undefined): number {
    const names = this.#ids.get(vmId) ?? new Map<string, number>();
    this.#ids.set(vmId, names);
    const known = names.get(name);
    const id = known ?? this.#queues.length + 1;
    const queue = this.#queues[id - 1] ?? { owner: undefined, entries: [] };
    if (owner !== undefined) queue.owner = owner;
    this.#queues[id - 1] = queue;
    names.set(name, id);
    return id;
  }

  /** The id of a queue that was registered. */
  resolve(vmId: string, name: string): number | undefined {
    return this.#ids.get(vmId)?.get(name);
  }

  /** Puts a copy in; false for an unknown id. */
  enqueue(id: number, data: Uint8Array): boolean {
    const queue = this.#queues[id - 1];
    if (queue === undefined) return false;
    queue.entries.push(data.slice());
    const { owner } = queue;
    if (owner !== undefined) this.#post(() => owner(id));
    return true;
  }

  /** Takes the oldest entry out. */
  dequeue(id: number): Dequeued {
    const queue = this.#queues[id - 1];
    return queue === undefined ? "unknown" : (queue.entries.shift() ?? "empty");
  }

  /** Puts something in from outside, `name` as text. A queue that nobody has registered yet is made, and notifies nobody. */
  seed(vmId: string, name: string, data: string | Uint8Array): void {
    const id = this.register(vmId, utf8ByteString(name), undefined);
    this.enqueue(id, typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** The queues of a `vm_id` and what they hold, oldest first; names as text. */
  list(vmId: string): { readonly name: string; readonly entries: readonly Uint8Array[] }[] {
    return Array.from(this.#ids.get(vmId) ?? [], ([name, id]) => ({
      name: textOf(name),
      entries: this.#queues[id - 1]?.entries.slice() ?? [],
    }));
  }
}

interface Queue {
  owner: QueueOwner | undefined;
  readonly entries: Uint8Array[];
}
