import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { pullImage, type PullResult } from "../../src/images/pull-image.ts";
import { pushImage, type PushResult } from "../../src/images/push-image.ts";
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import type { AuthScript } from "./fault-auth.ts";
import { type FakeClock, fakeClock } from "./fault-clock.ts";
import { storeTestImage, type TestImage } from "./fault-image.ts";
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from "./fault-registry.ts";
import { hasImage, namesIn, wrongFiles } from "./fault-run.ts";
import { tempDir } from "./temp-dir.ts";

/** How a bench is set up. */
export interface BenchOptions {
  readonly auth?: AuthScript;
  /** Who we are; the account of `auth` when absent, nobody when `null`. */
  readonly credential?: Credential | null;
  readonly registry?: FaultRegistryOptions;
  readonly client?: Partial<RegistryClientOptions>;
  /** The registry's name, where it is not its address: a proxy leads there. */
  readonly host?: string;
}

/** A registry with faults, a local store, and the use cases between them; all of it ends with the test. */
export interface Bench {
  readonly registry: FaultRegistry;
  readonly local: ImageStore;
  readonly client: RegistryClient;
  readonly clock: FakeClock;
  readonly events: readonly ProgressEvent[];
  /** What a tag of the repository is called. */
  reference(tag?: string): string;
  /** Puts an image into the registry without a request. */
  publish(image: TestImage, tag?: string): Promise<void>;
  /** Stores an image here and pushes it. */
  push(image: TestImage, tag?: string, signal?: AbortSignal): Promise<PushResult>;
  pull(tag?: string, signal?: AbortSignal): Promise<PullResult>;
  repository(access?: "pull" | "push", tag?: string): Repository;
  /** True when the image is in the registry (`push`) or here (`pull`) under the tag, byte for byte. */
  has(where: "registry" | "local", image: TestImage, tag?: string): boolean;
  /** Names in the local store, and what is wrong with its files or with those of the registry. */
  inspect(): { readonly names: readonly string[]; readonly faults: readonly string[] };
  /** Kinds of the requests so far, in order. */
  wire(): readonly string[];
}

/** Sets a bench up; call it within a test. */
export async function openBench(options: BenchOptions = {}): Promise<Bench> {
  const registry = await startFaultRegistry(options.auth, options.registry);
  onTestFinished(() => registry.close());
  const local = openStore(join(tempDir(), "images"));
  const clock = fakeClock();
  const events: ProgressEvent[] = [];
  const credential = options.credential === undefined ? accountOf(options.auth) : (options.credential ?? undefined);
  const client = createRegistryClient({
    env: {},
    clock,
    idleTimeoutMs: 1500,
    credentials: () => Promise.resolve(credential),
    events: (event) => void events.push(event),
    ...options.client,
  });
  onTestFinished(() => client.close());
  const host = options.host ?? registry.host;
  const reference = (tag = "v1"): string => `${host}/demo/filter:${tag}`;
  const remote = (tag = "v1"): string => `registry/demo/filter:${tag}`;
  const deps = (
    signal: AbortSignal | undefined,
  ): { store: ImageStore; registry: RegistryClient; signal?: AbortSignal } => {
    return { store: local, registry: client, ...(signal && { signal }) };
  };
  const note = (event: ProgressEvent): void => void events.push(event);
  return {
    registry,
    local,
    client,
    clock,
    events,
    reference,
    publish: async (image, tag) => {
      await storeTestImage(registry.store, image, remote(tag));
      // Whoever has its digest may go on reading it when the tag moves.
      const { digest } = image.manifestDescriptor;
      await registry.store.tag(`registry/demo/filter@${digest}`, image.manifestDescriptor);
    },
    push: async (image, tag, signal) => {
      await storeTestImage(local, image, reference(tag));
      const request = { reference: parseImageReference(reference(tag)) };
      return await pushImage(deps(signal), request, note);
    },
    pull: (tag, signal) => {
      const request = { reference: parseImageReference(reference(tag)) };
      return pullImage(deps(signal), request, note);
    },
    repository: (access, tag) => client.repository(parseImageReference(reference(tag)), access),
    has: (where, image, tag) => {
      return where === "local"
        ? hasImage(local.dir, reference(tag), image)
        : hasImage(registry.store.dir, remote(tag), image);
    },
    inspect: () => ({
      names: namesIn(local.dir),
      faults: [...wrongFiles(local.dir), ...wrongFiles(registry.store.dir)],
    }),
    wire: () => registry.requests.map(({ kind }) => kind),
  };
}

function accountOf(auth: AuthScript | undefined): Credential | undefined {
  return auth === undefined ? undefined : { kind: "basic", username: auth.username, password: auth.password };
}
