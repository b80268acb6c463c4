import { bytesSource } from "../../src/domain/content.ts";
import { type Descriptor, describe } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { Repository } from "../../src/registry/repository.ts";

/** A manifest that refers to another, without content of its own. */
export interface TestReferrer {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

const EMPTY = Buffer.from("{}");

/** Makes one; `config` is the media type of its config, which is its type when `artifactType` is absent. */
export function testReferrer(
  subject: Descriptor,
  about: { readonly artifactType?: string; readonly config?: string; readonly annotations?: Record<string, string> },
): TestReferrer {
  const { artifactType, config = MediaType.ociEmpty, annotations } = about;
  const layers = [describe(MediaType.ociEmpty, EMPTY)];
  const { mediaType, digest, size } = subject;
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    artifactType,
    config: describe(config, EMPTY),
    layers,
    subject: { mediaType, digest, size },
    annotations,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { bytes, descriptor: describe(MediaType.ociManifest, bytes) };
}

/** Pushes the blob that all of them have. docker-registry reads a link that another upload of it is just writing. */
export async function pushEmpty(repository: Repository): Promise<void> {
  await repository.push(describe(MediaType.ociEmpty, EMPTY), bytesSource(EMPTY));
}

/** Pushes it by its digest, its blob first. */
export async function pushReferrer(repository: Repository, referrer: TestReferrer): Promise<void> {
  await pushEmpty(repository);
  await putReferrer(repository, referrer);
}

/** Pushes it alone. */
export async function putReferrer(repository: Repository, referrer: TestReferrer): Promise<void> {
  await repository.pushManifest(referrer.descriptor.digest, referrer.bytes, MediaType.ociManifest);
}
