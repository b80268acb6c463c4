import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, referenceTarget } from "../domain/image-reference.ts";
import type { CachedImage } from "./cached-image.ts";
import type { ContentFolder } from "./content-folder.ts";
import type { Limits } from "./limit.ts";
import type { ListEntry } from "./list-entry.ts";
import type { NodeState } from "./node-state.ts";
import { isDenied } from "./pull-failure.ts";
import { type ModuleFacts, pullImage } from "./pull-image.ts";
import type { OpenRepository, RegistryAccess } from "./registry-access.ts";
import type { Room } from "./room.ts";
import { SingleFlight } from "./single-flight.ts";

/** What images are brought with. */
export interface ImageSourceDeps {
  readonly access: RegistryAccess;
  readonly modules: ContentFolder;
  readonly blobs: ContentFolder;
  readonly room: Room;
  readonly state: NodeState;
  /** The docker configuration that belongs to an image, by its key of the list. */
  readonly secretOf: (key: string) => string | undefined;
  /** So many pulls at a time from each registry. */
  readonly limits: Limits;
  readonly onPull: (result: "ok" | "failed", ms: number) => void;
  readonly elapsed: () => number;
}

/** An image that is on the node. */
export interface BroughtImage {
  readonly image: CachedImage;
  /** True when it had to be pulled. */
  readonly isNew: boolean;
}

/** Brings the images of entries to the node, each manifest and each module once, however many ask for it. */
export class ImageSource {
  readonly #deps: ImageSourceDeps;
  readonly #images = new SingleFlight<CachedImage>();
  readonly #layers = new SingleFlight<ModuleFacts>();

  constructor(deps: ImageSourceDeps) {
    this.#deps = deps;
  }

  /** What is known of an entry without asking anybody. */
  known(entry: ListEntry): CachedImage | undefined {
    const { state } = this.#deps;
    const top = entry.reference?.digest ?? state.tags.get(entry.id);
    return top === undefined ? undefined : state.imageOf(top);
  }

  /** Whether its module is on the node, every byte right. */
  async holds(image: CachedImage): Promise<boolean> {
    return (await this.#deps.modules.check(image.module)) !== undefined;
  }

  /** A pinned image that is on the node is not asked for again; a tag is looked up each time. Throws as pulls do. */
  async bring(entry: ListEntry, signal: AbortSignal): Promise<BroughtImage> {
    const { reference } = entry;
    if (reference === undefined) {
      throw new WasmeError("usage", "REFERENCE_INVALID", entry.problem ?? "the reference cannot be read");
    }
    const { modules } = this.#deps;
    const known = this.known(entry);
    if (reference.digest !== undefined && known !== undefined && (await modules.check(known.module)) !== undefined) {
      return { image: known, isNew: false };
    }
    const secret = this.#deps.secretOf(entry.key);
    try {
      return await this.#bringWith({ entry, reference, secret }, signal);
    } catch (error) {
      if (!isDenied(error)) throw error;
      this.#deps.access.forget(secret);
      if (secret === undefined) throw error;
      // Its own secret was refused: what is good for all images may be good for this one.
      const brought = await this.#bringWith({ entry, reference, secret: undefined }, signal).catch(() => undefined);
      signal.throwIfAborted();
      if (brought === undefined) throw error;
      return brought;
    }
  }

  /**
   * Fetches what belongs to an image beside its module and is missing. False when that cannot be had now: only who asks
   * for it by the registry's rules misses it. Throws the signal's reason.
   */
  async complete(entry: ListEntry, image: CachedImage, signal: AbortSignal): Promise<boolean> {
    const { reference } = entry;
    if (reference === undefined || (await this.#isWhole(image))) return true;
    const { access, secretOf } = this.#deps;
    try {
      await this.#pull(access.open(reference, secretOf(entry.key)), { reference, top: image.top }, signal);
    } catch {
      signal.throwIfAborted();
      return false;
    }
    return await this.#isWhole(image);
  }

  async #isWhole({ manifest, blobs }: CachedImage): Promise<boolean> {
    for (const { digest } of [manifest, ...blobs]) {
      if ((await this.#deps.blobs.check(digest)) === undefined) return false;
    }
    return true;
  }

  async #bringWith(
    want: { readonly entry: ListEntry; readonly reference: ImageReference; readonly secret: string | undefined },
    signal: AbortSignal,
  ): Promise<BroughtImage> {
    const { modules, state, access } = this.#deps;
    const { entry, reference } = want;
    const opened = access.open(reference, want.secret);
    const top = reference.digest ?? (await resolveTag(opened, reference, signal));
    const held = state.imageOf(top);
    const isHere = held !== undefined && (await modules.check(held.module)) !== undefined;
    const image = isHere
      ? held
      : await this.#images.run(
          `${reference.host} ${top}`,
          () => this.#pull(opened, { reference, top }, signal),
          signal,
        );
    this.#remember(image, reference.digest === undefined ? entry.id : undefined);
    return { image, isNew: !isHere };
  }

  /** Written soon; nobody needs to wait for it. */
  #remember(image: CachedImage, tag: string | undefined): void {
    const { state } = this.#deps;
    const isKnown = state.images.get(image.manifest.digest) === image;
    if (isKnown && (tag === undefined || state.tags.get(tag) === image.top)) return;
    state.images.set(image.manifest.digest, image);
    if (tag !== undefined) state.tags.set(tag, image.top);
    state.save().catch(() => undefined);
  }

  async #pull(
    { repository, usedCredential }: OpenRepository,
    { reference, top }: { readonly reference: ImageReference; readonly top: Digest },
    signal: AbortSignal,
  ): Promise<CachedImage> {
    const { modules, blobs, room, state, limits, onPull, elapsed } = this.#deps;
    const moduleOf = (layer: Digest): ModuleFacts | undefined =>
      [...state.images.values()].find((image) => image.layer === layer);
    const work = async (): Promise<CachedImage> => {
      const began = elapsed();
      let result: "ok" | "failed" = "failed";
      try {
        const deps = { repository, modules, blobs, room, layers: this.#layers, moduleOf, usedCredential, signal };
        const image = await pullImage(deps, reference, top);
        result = "ok";
        return image;
      } finally {
        onPull(result, elapsed() - began);
      }
    };
    return await limits.run(reference.host, work, signal);
  }
}

async function resolveTag(
  { repository }: OpenRepository,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<Digest> {
  const found = await repository.resolve(referenceTarget(reference), signal);
  if (found !== undefined) return found.digest;
  throw new WasmeError("not-found", "IMAGE_NOT_FOUND", `the registry has no image ${formatReference(reference)}`, {
    hint: "check name and tag; a private repository may need a pull secret",
  });
}
