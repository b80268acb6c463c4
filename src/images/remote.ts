import type { Exists, Fetcher, Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { ImageReference } from "../domain/image-reference.ts";

/** What the image use cases need of one repository of a registry; the registry client has more. */
export interface RemoteRepository extends Fetcher, Pusher, Exists {
  /** What a tag or digest points to; `undefined` when the registry does not have it. */
  resolve(target: string, signal?: AbortSignal): Promise<Descriptor | undefined>;
}

/** Opens the repository of a reference; no request is made yet. */
export interface Remote {
  repository(reference: ImageReference): RemoteRepository;
}
