import { bytesSource } from "../../src/domain/content.ts";
import { type Descriptor, describe } from "../../src/domain/descriptor.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { RegistryClient } from "../../src/registry/client.ts";
import type { MadeImage, MadeLayer } from "./layouts.ts";

/** Pushes blobs and a manifest as they are, as any tool might, and describes the manifest. */
export async function putRemote(
  client: Pick<RegistryClient, "repository">,
  name: string,
  image: MadeImage,
): Promise<Descriptor> {
  const reference = parseImageReference(name);
  const repository = client.repository(reference, "push");
  const put = async ({ mediaType, bytes }: MadeLayer): Promise<Descriptor> => {
    const descriptor = describe(mediaType, bytes);
    // Whatever it calls itself: what is in a layer is a blob.
    await repository.push({ ...descriptor, mediaType: "application/octet-stream" }, bytesSource(bytes));
    return descriptor;
  };
  const config = await put(image.config ?? { mediaType: MediaType.ociEmpty, bytes: Buffer.from("{}") });
  const layers: Descriptor[] = [];
  for (const each of image.layers) layers.push(await put(each));
  const mediaType = image.mediaType ?? MediaType.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers, ...image.extra }));
  return await repository.pushManifest(reference.tag ?? "latest", bytes, mediaType);
}

/** Pushes an index over descriptors, each with whatever else is to stand there. */
export async function putRemoteIndex(
  client: Pick<RegistryClient, "repository">,
  name: string,
  manifests: readonly object[],
): Promise<Descriptor> {
  const reference = parseImageReference(name);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
  return await client.repository(reference, "push").pushManifest(reference.tag ?? "latest", bytes, MediaType.ociIndex);
}
