import { WasmeError } from "../domain/errors.ts";

/** What keeps the cache within its size. */
export interface RoomOptions {
  /** Bytes of all files together. */
  readonly maxBytes: number;
  /** Bytes that are taken now. */
  readonly usedBytes: () => number;
  /**
   * Frees at least so many bytes if it can, by what nobody lists any more; tells how many more there will be to free when
   * that has been served on for a while.
   */
  readonly makeRoom: (bytes: number) => Promise<number>;
}

/** Room for content that is on its way. Its use is counted until it is released: from then on its file is. */
export interface TakenRoom {
  /** Takes more. Throws `CACHE_FULL`. */
  grow(bytes: number): Promise<void>;
  release(): void;
}

/** Hands out the room that is left. One question at a time, so that two pulls cannot both get the last of it. */
export class Room {
  readonly #options: RoomOptions;
  #promised = 0;
  #asking: Promise<void> = Promise.resolve();

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** Throws `CACHE_FULL` (failed) when so much cannot be had. */
  async take(bytes: number): Promise<TakenRoom> {
    let taken = 0;
    const grow = async (more: number): Promise<void> => {
      await this.#claim(more);
      taken += more;
    };
    await grow(bytes);
    return {
      grow,
      release: () => {
        this.#promised -= taken;
        taken = 0;
      },
    };
  }

  /** True when so much is left, without anything being freed for it. Takes nothing. */
  hasSpare(bytes: number): boolean {
    return this.#missing(bytes) <= 0;
  }

  #claim(bytes: number): Promise<void> {
    const claim = async (): Promise<void> => {
      const { maxBytes, usedBytes, makeRoom } = this.#options;
      const lack = this.#missing(bytes);
      const later = lack > 0 ? await makeRoom(lack) : 0;
      const missing = this.#missing(bytes);
      if (missing > 0) throw full(bytes, { used: usedBytes(), max: maxBytes, isSoon: later >= missing });
      this.#promised += bytes;
    };
    const asked = this.#asking.then(claim);
    this.#asking = asked.catch(() => undefined);
    return asked;
  }

  #missing(bytes: number): number {
    const { maxBytes, usedBytes } = this.#options;
    return usedBytes() + this.#promised + bytes - maxBytes;
  }
}

/** True when there will be room after a while, without anybody doing anything. */
export function isRoomSoon(error: WasmeError): boolean {
  return error.code === "CACHE_FULL" && error.details?.["roomSoon"] === true;
}

interface Fullness {
  readonly used: number;
  readonly max: number;
  readonly isSoon: boolean;
}

function full(bytes: number, { used, max, isSoon }: Fullness): WasmeError {
  const message = `the cache has no room for ${bytes} bytes more: it holds ${used} of at most ${max}`;
  return new WasmeError("failed", "CACHE_FULL", isSoon ? `${message}, some of it served on for a moment` : message, {
    hint: "take images off the list that nobody needs, or give the cache a larger --max-size",
    details: { roomSoon: isSoon },
  });
}
