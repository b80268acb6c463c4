import { WasmeError } from "../domain/errors.ts";
import type { Digest } from "../domain/digest.ts";
import { formatReference, type ImageReference, referenceTarget } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { RegistryClient } from "../registry/client.ts";
import { anonymous, type CredentialSource } from "../registry/credential.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { Memory } from "./memory.ts";
import type { PullCredential } from "./pull-secret.ts";

/** How a registry is spoken to on behalf of a FilterDeployment. */
export interface RegistryAccess {
  readonly insecure: boolean;
  readonly plainHttp: boolean;
  /** From its pull secret; absent: the operator's own credentials, or none. */
  readonly pull: PullCredential | undefined;
}

/** What images are read with. */
export interface ImagesDeps {
  /** Makes a client; `credentials` absent: the program's own, or none where the connection is looser than the program's. */
  readonly connect: (options: {
    readonly insecure: boolean;
    readonly plainHttp: boolean;
    readonly credentials: CredentialSource | undefined;
  }) => RegistryClient;
  readonly clock: SteadyClock;
  /** Milliseconds after which a tag is looked up again. */
  readonly resolveMs: number;
}

/** An image as it is known now. */
export interface KnownImage {
  readonly image: ResolvedImage;
  /** Why the registry could not be asked again; what is known is older then. */
  readonly stale?: string;
}

/** A registry that could not be reached. */
interface Down {
  readonly error: WasmeError;
  /** Nobody asks before, in the steady clock's milliseconds. */
  until: number;
}

/** Images of registries: what tags mean, asked for once in a while, and modules. */
export class Images {
  readonly #deps: ImagesDeps;
  readonly #clients: Memory<RegistryClient>;
  readonly #resolved: Memory<KnownImage>;
  /** What each reference meant last, by {@link keyOf}; the one asked for longest ago goes first. */
  readonly #last = new Map<string, ResolvedImage>();
  readonly #down = new Map<string, Down>();
  /** The modules last read, since several objects are often about the same one. */
  readonly #modules: Memory<Uint8Array>;

  constructor(deps: ImagesDeps) {
    const { clock, resolveMs } = deps;
    this.#deps = deps;
    this.#clients = new Memory(clock, Number.POSITIVE_INFINITY, { most: MOST_CLIENTS, onDrop: closeLater });
    this.#resolved = new Memory(clock, ({ stale }) =>
      stale === undefined ? resolveMs : Math.min(resolveMs, STALE_MS),
    );
    this.#modules = new Memory(clock, (bytes) => (bytes.byteLength > SMALL_MODULE ? 0 : MODULE_MS), {
      most: MOST_MODULES,
    });
  }

  /**
   * What the reference means. A tag is looked up again once its time is over: when it points to the same manifest nothing
   * else is asked for, and when the registry cannot be asked, what was known is given, with the reason. A registry that
   * could not be reached is left alone for some seconds: who asks meanwhile hears the same. `withModule`: {@link module} is
   * asked for next, so a small one is kept where it is read anyway, or could be with the rest. Throws as `resolveImage` does.
   */
  async resolve(
    reference: ImageReference,
    access: RegistryAccess,
    { signal, withModule = false }: { readonly signal?: AbortSignal; readonly withModule?: boolean } = {},
  ): Promise<KnownImage> {
    const key = keyOf(reference, access);
    return await this.#resolved.get(key, () => this.#ask(key, { reference, access, withModule }, signal));
  }

  /** The module's bytes, verified. Throws as `readModule` does. */
  async module(image: ResolvedImage, access: RegistryAccess, signal?: AbortSignal): Promise<Uint8Array> {
    for (;;) {
      const mine: { began?: true } = {};
      const read = this.#modules.get(image.moduleDigest, () => {
        mine.began = true;
        return this.#read(image, access, signal);
      });
      try {
        return await read;
      } catch (error) {
        // Who began it has less time left than who came later: that its time is over says nothing to the others.
        if (mine.began || signal?.aborted === true || error instanceof WasmeError) throw error;
      }
    }
  }

  close(): void {
    this.#clients.clear((client) => client.close());
  }

  async #ask(key: string, want: Want, signal: AbortSignal | undefined): Promise<KnownImage> {
    const last = this.#last.get(key);
    try {
      const image = await this.#unlessDown(want, async () =>
        last === undefined || (await this.#moved(last, want, signal)) ? await this.#resolve(want, signal) : last,
      );
      this.#remember(key, image);
      return { image };
    } catch (error) {
      signal?.throwIfAborted();
      if (last === undefined || !(error instanceof WasmeError)) throw error;
      return { image: last, stale: error.message };
    }
  }

  /** Of those who ask a registry that was away, one at a time finds out whether it is back. */
  async #unlessDown<T>({ reference, access }: Want, ask: () => Promise<T>): Promise<T> {
    const { clock, resolveMs } = this.#deps;
    const host = `${reference.host} ${accessKey(access)}`;
    const down = this.#down.get(host);
    if (down !== undefined) {
      if (clock.elapsed() < down.until) throw down.error;
      down.until = clock.elapsed() + PROBE_MS;
    }
    try {
      const answer = await ask();
      this.#down.delete(host);
      return answer;
    } catch (error) {
      const isAway = error instanceof WasmeError && error.kind === "unreachable";
      this.#down.delete(host);
      if (isAway) this.#down.set(host, { error, until: clock.elapsed() + Math.min(DOWN_MS, resolveMs) });
      dropOldest(this.#down, MOST_CLIENTS);
      throw error;
    }
  }

  #remember(key: string, image: ResolvedImage): void {
    this.#last.delete(key);
    this.#last.set(key, image);
    dropOldest(this.#last, MOST_IMAGES);
  }

  /** Whether the tag points to another manifest than it did. */
  async #moved(last: ResolvedImage, { reference, access }: Want, signal: AbortSignal | undefined): Promise<boolean> {
    if (reference.digest !== undefined) return false;
    const client = await this.#client(access);
    const found = await client.repository(reference).resolve(referenceTarget(reference), signal);
    return found?.digest !== last.manifestDigest;
  }

  async #resolve({ reference, access, withModule }: Want, signal: AbortSignal | undefined): Promise<ResolvedImage> {
    const { resolveImage } = await import("../images/resolve-image.ts");
    const registry = await this.#client(access);
    // With a pull secret it is for the proxies too: nobody goes without.
    const stranger = access.pull === undefined ? { stranger: await this.#stranger(access) } : {};
    const deps = { store: NO_STORE, registry, ...stranger, ...(signal === undefined ? {} : { signal }) };
    const take = (module: Uint8Array, digest: Digest): void =>
      void this.#modules.get(digest, () => Promise.resolve(module));
    const keep = withModule ? { most: SMALL_MODULE, take } : undefined;
    return await resolveImage(deps, { reference, from: "registry", keep });
  }

  async #read(image: ResolvedImage, access: RegistryAccess, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { readWholeImage } = await import("../images/whole-image.ts");
    const reference = { ...image.reference, digest: image.manifestDigest };
    const deps = { store: NO_STORE, registry: await this.#client(access), signal };
    return (await readWholeImage(deps, { reference, from: "registry" })).module;
  }

  #client(access: RegistryAccess): Promise<RegistryClient> {
    const { insecure, plainHttp, pull } = access;
    return this.#clients.get(accessKey(access), () => {
      const credentials: CredentialSource | undefined = pull && (() => Promise.resolve(pull.credential));
      return Promise.resolve(this.#deps.connect({ insecure, plainHttp, credentials }));
    });
  }

  /** Who asks without credentials. */
  #stranger(access: RegistryAccess): Promise<RegistryClient> {
    const { insecure, plainHttp } = access;
    return this.#clients.get(`nobody ${accessKey(access)}`, () =>
      Promise.resolve(this.#deps.connect({ insecure, plainHttp, credentials: anonymous })),
    );
  }
}

interface Want {
  readonly reference: ImageReference;
  readonly access: RegistryAccess;
  readonly withModule: boolean;
}

function keyOf(reference: ImageReference, access: RegistryAccess): string {
  return `${formatReference(reference)} ${accessKey(access)}`;
}

function accessKey({ insecure, plainHttp, pull }: RegistryAccess): string {
  return `${insecure ? "insecure " : ""}${plainHttp ? "http " : ""}${pull?.fingerprint ?? ""}`;
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size > most) map.delete(oldest);
}

/** What is being read with it gets its time. */
function closeLater(client: RegistryClient): void {
  setTimeout(() => client.close(), CLOSE_MS).unref();
}

/** Nothing is kept on disk: what the operator reads, it reads once. */
const NO_STORE = {
  resolve: () => Promise.resolve(undefined),
  entries: () => Promise.resolve([]),
  manifest: () => Promise.reject(new TypeError("the operator has no store")),
  fetch: () => {
    throw new TypeError("the operator has no store");
  },
};
const MOST_CLIENTS = 200;
const MOST_IMAGES = 10_000;
const MOST_MODULES = 4;
const MODULE_MS = 60_000;
/** Bytes; larger ones are shared by those who ask at the same time, and not kept. */
const SMALL_MODULE = 2 * 2 ** 20;
/** Milliseconds for which what was known is given without asking again. */
const STALE_MS = 60_000;
/** Milliseconds for which a registry that could not be reached is left alone. */
const DOWN_MS = 10_000;
/** Milliseconds one may take to find out whether it is back, before another one tries. */
const PROBE_MS = 30_000;
const CLOSE_MS = 60_000;
