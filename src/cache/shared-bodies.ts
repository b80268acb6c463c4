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
  users: number;
}

/**
 * Bodies that are sent now, each in memory and read once however many take it: hundreds of proxies may be let go on in
 * the same moment, or never read what they asked for.
 */
export class SharedBodies {
  readonly #bodies = new Map<string, Shared>();

  /** How many are in memory. */
  get count(): number {
    return this.#bodies.size;
  }

  /** Gives the bytes to `send`, `undefined` when the file is too short. They are kept until all who share them are done. */
  async use(open: OpenContent, part: BodyPart, send: (bytes: Uint8Array | undefined) => Promise<void>): Promise<void> {
    // The same name may stand for a file that was put right meanwhile.
    const key = `${part.name} ${open.version} ${part.start} ${part.length}`;
    const shared = this.#bodies.get(key) ?? { bytes: read(open, part), users: 0 };
    this.#bodies.set(key, shared);
    shared.users += 1;
    try {
      await send(await shared.bytes);
    } finally {
      shared.users -= 1;
      if (shared.users === 0) this.#bodies.delete(key);
    }
  }
}

async function read({ handle }: OpenContent, { start, length }: BodyPart): Promise<Uint8Array | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, start);
  return bytesRead === length ? buffer : undefined;
}
