import type { OpenContent } from "./content-folder.ts";

/** Which bytes of a file. */
export interface BodyPart {
  /** Equal for equal content. */
  readonly name: string;
  readonly start: number;
  readonly length: number;
}

interface Shared {
  readonly bytes: Promise<Uint8Array | undefined>;
  readonly size: number;
  users: number;
}

/**
 * Bodies that are sent now, each in memory and read once however many take it: hundreds of proxies may be let go on in
 * the same moment, or never read what they asked for.
 */
export class SharedBodies {
  readonly #bodies = new Map<string, Shared>();
  readonly #most: number;
  #size = 0;

  /** At most so many bytes are in memory. */
  constructor(most: number = MOST) {
    this.#most = most;
  }

  /** How many are in memory. */
  get count(): number {
    return this.#bodies.size;
  }

  /**
   * Gives the bytes to `send`, `undefined` when the file is too short. They are kept until all who share them are done.
   * False when there is no room for them: who asks for other bytes each time and reads none could fill the memory.
   */
  async use(
    open: OpenContent,
    part: BodyPart,
    send: (bytes: Uint8Array | undefined) => Promise<void>,
  ): Promise<boolean> {
    // The same name may stand for a file that was put right meanwhile.
    const key = `${part.name} ${open.version} ${part.start} ${part.length}`;
    const known = this.#bodies.get(key);
    if (known === undefined && this.#size + part.length > this.#most) return false;
    const shared = known ?? { bytes: read(open, part), size: part.length, users: 0 };
    if (known === undefined) this.#size += shared.size;
    this.#bodies.set(key, shared);
    shared.users += 1;
    try {
      await send(await shared.bytes);
      return true;
    } finally {
      shared.users -= 1;
      if (shared.users === 0) {
        this.#bodies.delete(key);
        this.#size -= shared.size;
      }
    }
  }
}

/** Bytes; of the 512 MiB that a pod of the cache has. */
const MOST = 64 * 1024 * 1024;

async function read({ handle }: OpenContent, { start, length }: BodyPart): Promise<Uint8Array | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, start);
  return bytesRead === length ? buffer : undefined;
}
