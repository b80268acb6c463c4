import { bytesSource } from "../../src/domain/content.ts";
import { describe } from "../../src/domain/descriptor.ts";
import { isDigest } from "../../src/domain/digest.ts";
import { repositoryName } from "../../src/domain/image-reference.ts";
import type { Remote } from "../../src/images/remote.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";

/** A registry in a folder: every request is answered from an image layout, and counted. */
export interface StoreRegistry extends Remote {
  readonly store: ImageStore;
  /** `fetch DIGEST`, `push DIGEST`, `manifest TARGET`, in order. */
  readonly log: string[];
}

/** Opens it; `refuse` may throw for a manifest of the given media type of the config. */
export function storeRegistry(dir: string, refuse: (manifest: string) => void = () => undefined): StoreRegistry {
  const store = openStore(dir);
  const log: string[] = [];
  return {
    store,
    log,
    repository: (reference) => {
      const name = (target: string): string => `${repositoryName(reference)}${isDigest(target) ? "@" : ":"}${target}`;
      return {
        fetch: (descriptor, signal) => {
          log.push(`fetch ${descriptor.digest}`);
          return store.fetch(descriptor, signal);
        },
        push: async (descriptor, body, signal) => {
          if (await store.exists(descriptor)) return "present";
          log.push(`push ${descriptor.digest}`);
          return await store.push(descriptor, body, signal);
        },
        resolve: (target) => store.resolve(name(target)),
        fetchManifest: async (target) => {
          const descriptor = await store.resolve(name(target));
          if (descriptor === undefined) return undefined;
          const { mediaType, digest, size } = descriptor;
          return { descriptor: { mediaType, digest, size }, bytes: (await store.manifest(descriptor)).bytes };
        },
        pushManifest: async (target, bytes, mediaType) => {
          refuse(Buffer.from(bytes).toString());
          log.push(`manifest ${target}`);
          const descriptor = describe(mediaType, bytes);
          await store.push(descriptor, bytesSource(bytes));
          await store.tag(name(target), descriptor);
          await store.tag(name(descriptor.digest), descriptor);
          return descriptor;
        },
      };
    },
  };
}
