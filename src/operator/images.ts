import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, referenceTarget } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { RegistryClient } from "../registry/client.ts";
import type { CredentialSource } from "../registry/credential.ts";
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
  /** Makes a client; `credentials` absent: the program's own. */
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

/** Images of registries: what tags mean, asked for once in a while, and modules. */
export class Images {
  readonly #deps: ImagesDeps;
  readonly #clients: Memory<RegistryClient>;
  readonly #resolved: Memory<KnownImage>;
  readonly #last = new Map<string, ResolvedImage>();
  /** The modules last read, since several objects are often about the same one. */
  readonly #modules: Memory<Uint8Array>;
  readonly #open = new Set<RegistryClient>();

  constructor(deps: ImagesDeps) {
    this.#deps = deps;
    this.#clients = new Memory(deps.clock, Number.POSITIVE_INFINITY, MOST_CLIENTS);
    this.#resolved = new Memory(deps.clock, deps.resolveMs);
    this.#modules = new Memory(deps.clock, MODULE_MS, MOST_MODULES);
  }

  /**
   * What the reference means. A tag is looked up again once its time is over: when it points to the same manifest nothing
   * else is asked for, and when the registry cannot be asked, what was known is given, with the reason. Throws as
   * `resolveImage` does.
   */
  async resolve(reference: ImageReference, access: RegistryAccess, signal?: AbortSignal): Promise<KnownImage> {
    const key = `${formatReference(reference)} ${accessKey(access)}`;
    const known = await this.#resolved.get(key, () => this.#ask(key, { reference, access }, signal));
    if (known.stale !== undefined) this.#resolved.forget(key);
    return known;
  }

  /** Asks the registry again at the next call. */
  forget(reference: ImageReference, access: RegistryAccess): void {
    this.#resolved.forget(`${formatReference(reference)} ${accessKey(access)}`);
  }

  /** The module's bytes, verified. Throws as `readModule` does. */
  async module(image: ResolvedImage, access: RegistryAccess, signal?: AbortSignal): Promise<Uint8Array> {
    return await this.#modules.get(image.moduleDigest, async () => {
      const { readWholeImage } = await import("../images/whole-image.ts");
      const reference = { ...image.reference, digest: image.manifestDigest };
      const deps = { store: NO_STORE, registry: await this.#client(access), signal };
      return (await readWholeImage(deps, { reference, from: "registry" })).module;
    });
  }

  close(): void {
    for (const client of this.#open) client.close();
  }

  async #ask(
    key: string,
    want: { readonly reference: ImageReference; readonly access: RegistryAccess },
    signal: AbortSignal | undefined,
  ): Promise<KnownImage> {
    const last = this.#last.get(key);
    try {
      const image =
        last === undefined || (await this.#moved(last, want, signal)) ? await this.#resolve(want, signal) : last;
      this.#last.set(key, image);
      return { image };
    } catch (error) {
      signal?.throwIfAborted();
      if (last === undefined || !(error instanceof WasmeError)) throw error;
      return { image: last, stale: error.message };
    }
  }

  /** Whether the tag points to another manifest than it did. */
  async #moved(
    last: ResolvedImage,
    { reference, access }: { readonly reference: ImageReference; readonly access: RegistryAccess },
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (reference.digest !== undefined) return false;
    const client = await this.#client(access);
    const found = await client.repository(reference).resolve(referenceTarget(reference), signal);
    return found?.digest !== last.manifestDigest;
  }

  async #resolve(
    { reference, access }: { readonly reference: ImageReference; readonly access: RegistryAccess },
    signal: AbortSignal | undefined,
  ): Promise<ResolvedImage> {
    const { resolveImage } = await import("../images/resolve-image.ts");
    const deps = { store: NO_STORE, registry: await this.#client(access), ...(signal === undefined ? {} : { signal }) };
    return await resolveImage(deps, { reference, from: "registry" });
  }

  #client(access: RegistryAccess): Promise<RegistryClient> {
    const { insecure, plainHttp, pull } = access;
    return this.#clients.get(accessKey(access), () => {
      const credentials: CredentialSource | undefined = pull && (() => Promise.resolve(pull.credential));
      const client = this.#deps.connect({ insecure, plainHttp, credentials });
      this.#open.add(client);
      return Promise.resolve(client);
    });
  }
}

function accessKey({ insecure, plainHttp, pull }: RegistryAccess): string {
  return `${insecure ? "insecure " : ""}${plainHttp ? "http " : ""}${pull?.fingerprint ?? ""}`;
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
const MOST_MODULES = 4;
const MODULE_MS = 60_000;
