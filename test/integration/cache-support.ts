import { onTestFinished } from "vitest";
import type { ServeCacheDeps, ServeCacheRequest } from "../../src/cache/serve-cache.ts";
import { serveCache } from "../../src/cache/serve-cache.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { type Digest, digestParts } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { type SteadyClock, systemClock } from "../../src/platform/clock.ts";
import { createJsonLog } from "../../src/platform/json-log.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { anonymous, type CredentialSource } from "../../src/registry/credential.ts";
import { type RawRequest, rawRequest, type RawResponse } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import { pushTestImage, type TestImage } from "../support/fault-image.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A cache of this process, as its proxies and its operator see it. */
export interface TestCache {
  readonly url: string;
  readonly directory: string;
  /** What it logged so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  get(path: string, more?: Partial<RawRequest>): Promise<RawResponse>;
  module(digest: Digest, more?: Partial<RawRequest>): Promise<RawResponse>;
  /** The value of a metric; 0 when it was never set. */
  metric(line: string): Promise<number>;
  /** Waits until `/readyz` is green. */
  ready(): Promise<void>;
  /** Asks it to end, and waits until it did. */
  stop(): Promise<void>;
}

/** What differs from an ordinary run. */
export interface TestCacheOptions extends Partial<ServeCacheRequest> {
  readonly credentials?: CredentialSource;
  readonly port?: KubePort;
  /** How much faster time passes for it; default 20. */
  readonly speed?: number;
}

/** Starts one on a free port over a folder of its own; it ends with the test. */
export async function startTestCache(options: TestCacheOptions = {}): Promise<TestCache> {
  const { credentials = anonymous, port, speed = 20, ...more } = options;
  const request = requestOf(more);
  const stop = new AbortController();
  const log: Record<string, unknown>[] = [];
  const clock = fasterClock(speed);
  const metrics = await createMetrics();
  let run: Promise<unknown> = Promise.resolve();
  const url = await new Promise<string>((resolve, reject) => {
    const deps: ServeCacheDeps = {
      clock,
      log: createJsonLog({ write: (line) => log.push(JSON.parse(line) as Record<string, unknown>), clock }),
      metrics,
      registries: {
        common: credentials,
        createClient: (source) => createRegistryClient({ env: {}, credentials: source, clock, retryBudgetMs: 500 }),
      },
      port,
      onServing: resolve,
      signal: stop.signal,
    };
    run = serveCache(deps, request);
    run.catch(reject);
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await run;
  };
  onTestFinished(end);
  const get = (path: string, asked: Partial<RawRequest> = {}): Promise<RawResponse> =>
    rawRequest({ ...asked, url: `${url}${path}` });
  return {
    url,
    directory: request.directory,
    log,
    get,
    module: (digest, asked) => get(`/${digestParts(digest).hex}`, asked),
    metric: async (line) => {
      const { text } = await get("/metrics");
      const found = text.split("\n").find((each) => each.startsWith(`${line} `));
      return found === undefined ? 0 : Number(found.slice(line.length + 1));
    },
    ready: () =>
      waitFor("the cache to be ready", async () => ((await get("/readyz")).status === 200 ? true : undefined)).then(
        () => undefined,
      ),
    stop: end,
  };
}

function requestOf(more: Partial<ServeCacheRequest>): ServeCacheRequest {
  return {
    directory: tempDir("wasme-cache-"),
    clear: false,
    listen: { host: "127.0.0.1", port: 0 },
    references: [],
    refFile: undefined,
    cache: undefined,
    identity: { node: "node-1" },
    tagIntervalMs: 2000,
    lingerMs: 600_000,
    holdMs: 300,
    drainMs: 0,
    maxBytes: 1024 * 1024 * 1024,
    maxHeld: 100,
    ...more,
  };
}

/** The machine's clock, on which everything lasts a fraction. */
function fasterClock(speed: number): SteadyClock {
  return {
    now: () => systemClock.now(),
    elapsed: () => systemClock.elapsed() * speed,
    sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
  };
}

/** Pushes an image to a registry as `HOST/name`; nothing but the host is needed, everybody may. */
export async function push(
  host: string,
  name: string,
  image: TestImage,
  credentials: CredentialSource = anonymous,
): Promise<string> {
  const client = createRegistryClient({ env: {}, credentials });
  try {
    const reference = parseImageReference(`${host}/${name}`);
    await pushTestImage(client.repository(reference, "push"), image, reference.tag ?? "latest");
    return `${host}/${name}`;
  } finally {
    client.close();
  }
}

/** The reference with the manifest's digest. */
export function pinned(reference: string, image: TestImage): string {
  return `${reference}@${image.manifestDescriptor.digest}`;
}

/** The key under which an image is listed. */
export function keyOf(image: TestImage): string {
  return `sha256-${digestParts(image.manifestDescriptor.digest).hex}`;
}
