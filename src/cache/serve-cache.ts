import { usageError } from "../domain/errors.ts";
import type { Digest } from "../domain/digest.ts";
import { createRecorder, type Recorder } from "../controller/event-recorder.ts";
import { createHealth, type Health } from "../controller/health.ts";
import type { Metrics } from "../controller/metrics.ts";
import type { KubePort } from "../kube/port.ts";
import type { ListenAddress } from "../platform/listen-address.ts";
import type { Log } from "../platform/json-log.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { answerRequest } from "./answer-request.ts";
import { type CacheName, recordChange } from "./cache-events.ts";
import { createCacheMetrics } from "./cache-metrics.ts";
import { type CacheServer, startCacheServer } from "./cache-server.ts";
import { type ClusterFollower, followCluster } from "./follow-cluster.ts";
import { followFile } from "./follow-file.ts";
import { ImageLists, type ListSource } from "./image-lists.ts";
import { NodeCache } from "./node-cache.ts";
import { type NodeIdentity, ReportWriter } from "./node-report-writer.ts";
import { Readiness } from "./readiness.ts";
import { RegistryAccess, type RegistryAccessDeps } from "./registry-access.ts";
import type { EntryChange } from "./report-book.ts";

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

/** What it did. */
export interface ServeCacheResult {
  readonly url: string;
  /** Requests answered. */
  readonly requests: number;
}

/**
 * Runs a node's cache until the signal asks it to end: it turns unready, serves on until nobody is sent here any more,
 * finishes its bodies, and ends. Throws `CACHE_LIST_MISSING` (usage), and errors of the directory and the address.
 */
export async function serveCache(deps: ServeCacheDeps, request: ServeCacheRequest): Promise<ServeCacheResult> {
  const { log, signal } = deps;
  const sources = sourcesOf(request);
  const program = new Program(deps, request, sources);
  try {
    await program.open();
    const server = await program.listen();
    log.info("serving modules", { url: server.url, directory: request.directory, lists: sources });
    deps.onServing?.(server.url);
    const work = program.follow();
    await ended(signal);
    log.info("ending: unready from now on, serving on for a moment", { drainMs: request.drainMs });
    await program.end(server);
    await work;
    await program.ended();
    return { url: server.url, requests: program.requests };
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
  requests = 0;
  readonly #deps: ServeCacheDeps;
  readonly #request: ServeCacheRequest;
  readonly #stop = new AbortController();
  readonly #lists: ImageLists;
  readonly #cache: NodeCache;
  readonly #health: Health;
  readonly #access: RegistryAccess;
  readonly #cluster: ClusterFollower | undefined;
  readonly #recorder: Recorder | undefined;
  readonly #writer: ReportWriter | undefined;
  readonly #counters: ReturnType<typeof createCacheMetrics>;
  #secrets: ReadonlyMap<string, string> = new Map();

  constructor(deps: ServeCacheDeps, request: ServeCacheRequest, sources: readonly ListSource[]) {
    this.#deps = deps;
    this.#request = request;
    const { clock, log, metrics, port } = deps;
    this.#lists = new ImageLists(sources, (entries) => this.#cache.setEntries(entries));
    this.#access = new RegistryAccess(deps.registries);
    this.#cache = new NodeCache({
      ...request,
      clock,
      log,
      access: this.#access,
      secretOf: (keys) => keys.map((key) => this.#secrets.get(key)).find((secret) => secret !== undefined),
      listKnown: () => this.#lists.isKnown,
      onChange: (change) => this.#changed(change),
      onPull: (result, ms) => this.#counters.pull(result, ms),
      onLost: (why) => this.#counters.lost(why),
      onEvicted: (count) => this.#counters.evicted(count),
      signal: this.#stop.signal,
    });
    const { book, held, modules } = this.#cache;
    this.#counters = createCacheMetrics(metrics, {
      book,
      held: () => held.count,
      modules: () => modules.digests().length,
      bytes: () => this.#cache.usedBytes(),
    });
    const { cache, identity } = request;
    if (cache !== undefined && port !== undefined) {
      this.#cluster = this.#followCluster(port, cache);
      const instance = identity.pod?.name ?? identity.node;
      this.#recorder = createRecorder({ port, clock, log, controller: "wasme.io/cache", instance });
      this.#writer = new ReportWriter({ port, clock, log, cache, identity, reports: () => book.reports() });
    }
    this.#health = this.#createHealth();
  }

  async open(): Promise<void> {
    await this.#cache.open({ clear: this.#request.clear });
    const { list } = this.#cache.state;
    if (this.#request.cache !== undefined && list !== undefined) this.#lists.setData(list, "memory");
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
      onAnswered: (status) => {
        this.requests += 1;
        this.#counters.request(status);
      },
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
      ...(this.#cluster === undefined ? [] : [this.#cluster.run(signal), this.#settleForMemory()]),
      this.#report(),
    ];
    await Promise.all(tasks.map((task) => task.catch((error: unknown) => this.#broke(error))));
  }

  /** Turns unready, serves on, lets bodies end; those who are held hear that they may try elsewhere. */
  async end(server: CacheServer): Promise<void> {
    const { clock } = this.#deps;
    this.#health.shutDown();
    server.lastAnswers();
    await clock.sleep(this.#request.drainMs);
    this.#cache.held.close();
    await server.close(BODIES_MS);
    await Promise.race([this.#recorder?.flush(), clock.sleep(FLUSH_MS)]);
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
    await this.#writer?.run(signal);
  }

  #followCluster(port: KubePort, cache: CacheName): ClusterFollower {
    const { clock, log } = this.#deps;
    return followCluster({
      port,
      clock,
      log,
      cache,
      onList: (data) => this.#listed(data),
      onSecrets: (secrets, changed) => {
        this.#secrets = secrets;
        this.#cache.secretsChanged(changed);
      },
    });
  }

  /** A list that was deleted says nothing: whoever deletes it by mistake must not take filters away. */
  #listed(data: Readonly<Record<string, string>> | undefined): void {
    const { log } = this.#deps;
    const { state } = this.#cache;
    if (data === undefined) log.warn("the list's ConfigMap is not there: what was listed last is kept");
    else state.list = data;
    this.#lists.setData(data ?? state.list ?? {});
    state.save().catch((error: unknown) => log.warn("cannot remember the list", { error }));
  }

  /** A restart while the API server is away must not keep this node's proxies away from what is here. */
  async #settleForMemory(): Promise<void> {
    const { clock, log } = this.#deps;
    await clock.sleep(MEMORY_MS, this.#stop.signal).catch(() => undefined);
    if (this.#stop.signal.aborted || this.#lists.isKnown || this.#cache.state.list === undefined) return;
    log.warn("the API server does not answer: going by the list of the last run");
    this.#lists.settle("cluster");
  }

  #createHealth(): Health {
    const { metrics } = this.#deps;
    const render = async (): ReturnType<Metrics["render"]> => {
      await this.#counters.refresh();
      return await metrics.render();
    };
    const health = createHealth({ metrics: { render } });
    const trouble = (): string | undefined => this.#cluster?.trouble();
    const readiness = new Readiness({ lists: this.#lists, book: this.#cache.book, trouble });
    health.addReady("images", () => readiness.check());
    return health;
  }

  #changed(change: EntryChange | undefined): void {
    this.#writer?.changed();
    if (change === undefined) return;
    const { entry, before, after } = change;
    const { cache } = this.#request;
    if (cache !== undefined && this.#recorder !== undefined) recordChange(this.#recorder, cache, change);
    const { module, bytes } = after.image ?? {};
    if (before?.state === after.state && before.image?.module === module) return;
    this.#deps.log.info(`image ${after.state}`, { image: entry.text, module, bytes, why: after.error });
  }

  #broke(error: unknown): void {
    this.#deps.log.error("a part of the cache ended: this is a bug", { error });
  }
}

/** How long bodies may take after nobody is sent here any more. Milliseconds. */
const BODIES_MS = 40_000;
const FLUSH_MS = 2000;
/** How long the API server may take to tell the list before that of the last run counts. Milliseconds. */
const MEMORY_MS = 10_000;

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
