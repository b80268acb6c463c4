import { usageError } from "../domain/errors.ts";
import type { Digest } from "../domain/digest.ts";
import type { Metrics } from "../controller/metrics.ts";
import type { KubePort } from "../kube/port.ts";
import { aborted } from "../platform/abort.ts";
import type { ListenAddress } from "../platform/listen-address.ts";
import type { Log } from "../platform/json-log.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { answerRequest } from "./answer-request.ts";
import type { CacheName } from "./cache-events.ts";
import { type CacheHealth, createCacheHealth } from "./cache-health.ts";
import { type CacheMetrics, createCacheMetrics } from "./cache-metrics.ts";
import { type CacheServer, startCacheServer } from "./cache-server.ts";
import { type ClusterList, createClusterList, MEMORY_MS } from "./cluster-list.ts";
import { followFile } from "./follow-file.ts";
import { ImageLists, type ListSource } from "./image-lists.ts";
import { NodeCache } from "./node-cache.ts";
import type { NodeIdentity } from "./node-report-writer.ts";
import { NodeReports } from "./node-reports.ts";
import { RegistryAccess, type RegistryAccessDeps } from "./registry-access.ts";

/** What the cache of a node is to do. */
export interface ServeCacheRequest {
  /** Absolute; modules lie here. */
  readonly directory: string;
  /** Removes what is there at the start. */
  readonly clear: boolean;
  readonly listen: ListenAddress;
  /** References to hold in any case. */
  readonly references: readonly string[];
  /** Absolute path of a file with one reference a line. */
  readonly refFile: string | undefined;
  /** Name and namespace of the list's ConfigMap; without it no cluster is asked. */
  readonly cache: CacheName | undefined;
  readonly identity: NodeIdentity;
  /** Milliseconds, all of these. */
  readonly tagIntervalMs: number;
  readonly lingerMs: number;
  readonly holdMs: number;
  readonly drainMs: number;
  /** Bytes. */
  readonly maxBytes: number;
  /** Requests that may wait at a time. */
  readonly maxHeld: number;
}

/** What it needs of the world. */
export interface ServeCacheDeps {
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly registries: RegistryAccessDeps;
  /** There when the request names a cache. */
  readonly port: KubePort | undefined;
  /** Told the address once requests are taken. */
  readonly onServing?: (url: string) => void;
  /** Asks it to end. */
  readonly signal: AbortSignal;
}

/**
 * Runs a node's cache until the signal asks it to end: it turns unready, serves on until nobody is sent here any more,
 * finishes its bodies, and ends. Throws `CACHE_LIST_MISSING` (usage), and errors of the directory and the address.
 */
export async function serveCache(deps: ServeCacheDeps, request: ServeCacheRequest): Promise<void> {
  const { log, signal } = deps;
  const sources = sourcesOf(request);
  const program = new Program(deps, request, sources);
  try {
    await program.open();
    const server = await program.listen();
    log.info("serving modules", { url: server.url, directory: request.directory, lists: sources });
    deps.onServing?.(server.url);
    const work = program.follow();
    await aborted(signal);
    log.info("ending: unready from now on, serving on for a moment", { drainMs: request.drainMs });
    await program.end(server);
    await work;
    await program.ended();
  } finally {
    program.close();
  }
}

function sourcesOf({ references, refFile, cache }: ServeCacheRequest): readonly ListSource[] {
  const sources: ListSource[] = [];
  if (references.length > 0) sources.push("arguments");
  if (refFile !== undefined) sources.push("file");
  if (cache !== undefined) sources.push("cluster");
  if (sources.length > 0) return sources;
  throw usageError("CACHE_LIST_MISSING", "there is no list of images to hold", {
    hint: "name images, or --ref-file FILE, or --namespace NAME --config-map NAME of a cluster",
  });
}

/** The parts of a cache, wired. */
class Program {
  readonly #deps: ServeCacheDeps;
  readonly #request: ServeCacheRequest;
  readonly #stop = new AbortController();
  readonly #lists: ImageLists;
  readonly #cache: NodeCache;
  readonly #health: CacheHealth;
  readonly #access: RegistryAccess;
  readonly #reports: NodeReports;
  readonly #counters: CacheMetrics;
  #cluster: ClusterList | undefined;
  #secrets: ReadonlyMap<string, string> = new Map();

  constructor(deps: ServeCacheDeps, request: ServeCacheRequest, sources: readonly ListSource[]) {
    this.#deps = deps;
    this.#request = request;
    const { metrics } = deps;
    this.#lists = new ImageLists(sources, (entries) => this.#cache.setEntries(entries));
    this.#access = new RegistryAccess(deps.registries);
    this.#cache = new NodeCache({
      ...request,
      ...deps,
      access: this.#access,
      secretOf: (key) => this.#secrets.get(key),
      listKnown: () => this.#lists.isKnown,
      onChange: (change) => this.#reports.changed(change),
      onPull: (result, ms) => this.#counters.pull(result, ms),
      onLost: (why) => this.#counters.lost(why),
      onEvicted: (count) => this.#counters.evicted(count),
      signal: this.#stop.signal,
    });
    const { book, held, modules } = this.#cache;
    this.#reports = new NodeReports({ ...deps, ...request, book });
    this.#counters = createCacheMetrics(metrics, {
      book,
      held: () => held.count,
      modules: () => modules.digests().length,
      bytes: () => this.#cache.usedBytes(),
    });
    this.#health = createCacheHealth({
      metrics,
      refresh: () => this.#counters.refresh(),
      lists: this.#lists,
      book,
      trouble: () => this.#cluster?.trouble(),
    });
  }

  async open(): Promise<void> {
    await this.#cache.open({ clear: this.#request.clear });
    const { port } = this.#deps;
    const { cache } = this.#request;
    if (cache === undefined || port === undefined) return;
    const { state } = this.#cache;
    const onSecrets = (secrets: ReadonlyMap<string, string>, changed: ReadonlySet<string>): void => {
      this.#secrets = secrets;
      this.#access.keep(secrets.values());
      this.#cache.secretsChanged(changed);
    };
    this.#cluster = createClusterList({ ...this.#deps, port, cache, lists: this.#lists, state, onSecrets });
  }

  listen(): Promise<CacheServer> {
    const { log } = this.#deps;
    const { listen, holdMs } = this.#request;
    const { book, modules, blobs, copies, bodies, held } = this.#cache;
    const asked = (module: Digest): void => this.#cache.asked(module);
    const listKnown = (): boolean => this.#lists.isKnown;
    const answering = { book, modules, blobs, copies, bodies, held, holdMs, asked, listKnown };
    return startCacheServer({
      listen,
      log,
      answer: async (request, response) => {
        if (!this.#health.handle(request, response)) await answerRequest(answering, request, response);
      },
      onAnswered: (status) => this.#counters.request(status),
    });
  }

  /** Everything that goes on beside serving; ends with {@link close}. Never throws. */
  async follow(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stop;
    const { references, refFile } = this.#request;
    if (references.length > 0) this.#lists.setText("arguments", references.join("\n"));
    const onText = (text: string): void => this.#lists.setText("file", text);
    const tasks = [
      this.#cache.verify(),
      this.#cache.tidy(),
      ...(refFile === undefined ? [] : [followFile({ path: refFile, clock, log, onText }, signal)]),
      ...(this.#cluster === undefined ? [] : [this.#cluster.run(signal)]),
      this.#report(),
    ];
    await Promise.all(tasks.map((task) => task.catch((error: unknown) => this.#broke(error))));
  }

  /** Turns unready, serves on, lets bodies end; those who are held hear that they may try elsewhere. */
  async end(server: CacheServer): Promise<void> {
    this.#health.shutDown();
    server.lastAnswers();
    await this.#deps.clock.sleep(this.#request.drainMs);
    this.#cache.held.close();
    await server.close(BODIES_MS);
    await this.#reports.flush();
    await this.#cache.state.save().catch(() => undefined);
    this.close();
  }

  /** Once nothing is written any more; after {@link close}. */
  async ended(): Promise<void> {
    await this.#cache.ended();
  }

  close(): void {
    this.#stop.abort(new DOMException("the cache ends", "AbortError"));
    this.#access.close();
  }

  /** Not before the list is known: the report of the process before this one is truer than an empty one. */
  async #report(): Promise<void> {
    const { clock, signal: asked } = this.#deps;
    const signal = AbortSignal.any([asked, this.#stop.signal]);
    await Promise.race([this.#lists.known, clock.sleep(MEMORY_MS, signal).catch(() => undefined)]);
    await this.#reports.run(signal);
  }

  #broke(error: unknown): void {
    this.#deps.log.error("a part of the cache ended: this is a bug", { error });
    this.#health.broke();
  }
}

/** How long bodies may take after nobody is sent here any more. Milliseconds. */
const BODIES_MS = 40_000;
