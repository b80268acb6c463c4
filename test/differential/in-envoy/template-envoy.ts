import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningEnvoy, startEnvoy } from "../../components/envoy.ts";
import { rawRequest } from "../../components/raw-http.ts";
import { waitFor } from "../../components/wait.ts";
import { type LogRecord, parseEnvoyLog } from "../log-lines.ts";

/** An Envoy whose listeners and clusters come and go while it runs. */
export interface TemplateEnvoy {
  /** Adds listeners by name; those that Envoy refuses have no port. */
  addListeners(listeners: ReadonlyMap<string, object>): Promise<void>;
  /** The clusters from now on, all of them. */
  setClusters(clusters: readonly object[]): Promise<void>;
  /** Port of a listener; undefined when Envoy has refused it. */
  port(listener: string): number | undefined;
  /** What the filters of a VM logged so far. */
  log(vmId: string): readonly LogRecord[];
  /** Everything Envoy wrote. */
  output(): string;
  /** All custom metrics; a histogram counts as the number of its samples. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** Waits until no connection to the listener is open. */
  idle(listener: string): Promise<void>;
  stop(): Promise<void>;
}

/** Compiling is the main thread's: the admin interface answers when it is done. */
const COMPILING_MS = 180_000;

/** Starts an Envoy with a module beside its bootstrap, named `template.wasm`, and without listeners. */
export async function startTemplateEnvoy(module: Uint8Array, workers: number): Promise<TemplateEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), "wasme-templates-"));
  let envoy: RunningEnvoy | undefined;
  const stop = async (): Promise<void> => {
    await envoy?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await writeFile(join(folder, "template.wasm"), module);
    for (const kind of ["listener", "cluster"] as const) await offer(folder, kind, []);
    const config = bootstrap(folder);
    envoy = await startEnvoy({ config, directory: folder, componentLogLevel: "wasm:trace", workers });
    return new RunningTemplateEnvoy(envoy, folder, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

type Kind = "listener" | "cluster";

const TYPES: Readonly<Record<Kind, string>> = {
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
};

function bootstrap(folder: string): object {
  const from = (kind: Kind): object => ({
    path_config_source: { path: join(folder, `${kind}s.json`), watched_directory: { path: folder } },
    resource_api_version: "V3",
  });
  return {
    node: { id: "test-node", cluster: "test-cluster" },
    // Histograms show what was recorded when they are flushed.
    stats_flush_interval: "0.1s",
    dynamic_resources: { lds_config: from("listener"), cds_config: from("cluster") },
  };
}

/** Puts the resources where Envoy watches, whole at once. */
async function offer(folder: string, kind: Kind, resources: readonly object[]): Promise<void> {
  const typed = resources.map((resource) => ({ "@type": TYPES[kind], ...resource }));
  const draft = join(folder, `${kind}s.draft`);
  await writeFile(draft, JSON.stringify({ resources: typed }));
  await rename(draft, join(folder, `${kind}s.json`));
}

class RunningTemplateEnvoy implements TemplateEnvoy {
  readonly #envoy: RunningEnvoy;
  readonly #folder: string;
  readonly #listeners = new Map<string, object>();
  #ports: ReadonlyMap<string, number> = new Map();
  readonly stop: () => Promise<void>;

  constructor(envoy: RunningEnvoy, folder: string, stop: () => Promise<void>) {
    this.#envoy = envoy;
    this.#folder = folder;
    this.stop = stop;
  }

  async addListeners(listeners: ReadonlyMap<string, object>): Promise<void> {
    for (const [name, listener] of listeners) this.#listeners.set(name, listener);
    await this.#update("listener", [...this.#listeners.values()]);
    const { listener_statuses: statuses = [] } = JSON.parse(await this.#admin("listeners?format=json")) as Listeners;
    this.#ports = new Map(statuses.map((one) => [one.name, one.local_address.socket_address.port_value]));
    // Offered again, a refused one would be tried again.
    for (const name of this.#listeners.keys()) if (!this.#ports.has(name)) this.#listeners.delete(name);
  }

  async setClusters(clusters: readonly object[]): Promise<void> {
    await this.#update("cluster", clusters);
  }

  port(listener: string): number | undefined {
    return this.#ports.get(listener);
  }

  log(vmId: string): readonly LogRecord[] {
    return parseEnvoyLog(this.#envoy.log()).flatMap(({ level, text }) => {
      const match = /^wasm log ?(?:.*? )?([\w.-]*): (.*)$/s.exec(text);
      return match === null || match[1] !== vmId ? [] : [{ level, text: match[2] ?? "" }];
    });
  }

  output(): string {
    return this.#envoy.log();
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    const path = "stats?filter=^wasmcustom&format=json&histogram_buckets=cumulative";
    const { stats } = JSON.parse(await this.#admin(path)) as Stats;
    const found = new Map<string, number>();
    for (const { name, value, histograms } of stats) {
      if (name !== undefined && value !== undefined) found.set(unprefixed(name), value);
      for (const one of histograms ?? []) {
        found.set(unprefixed(one.name), Math.max(0, ...one.buckets.map(({ cumulative }) => cumulative)));
      }
    }
    return found;
  }

  async idle(listener: string): Promise<void> {
    const filter = `stats?filter=^(http|tcp)\\.${listener}\\.downstream_cx_(active|total)$`;
    await waitFor(`${listener} to be idle`, async () => {
      const text = await this.#admin(filter);
      const active = /downstream_cx_active: (\d+)/.exec(text)?.[1] ?? "0";
      return active === "0" ? true : undefined;
    });
  }

  /** Offers resources and waits until Envoy has made up its mind about them. */
  async #update(kind: Kind, resources: readonly object[]): Promise<void> {
    const before = await this.#updates(kind);
    await offer(this.#folder, kind, resources);
    const done = async (): Promise<true | undefined> => ((await this.#updates(kind)) > before ? true : undefined);
    await waitFor(`Envoy to take its ${kind}s`, done, {
      deadlineMs: COMPILING_MS,
      detail: () => this.#envoy.log().slice(-2000),
    });
  }

  async #updates(kind: Kind): Promise<number> {
    const prefix = kind === "listener" ? "listener_manager.lds" : "cluster_manager.cds";
    const text = await this.#admin(`stats?filter=^${prefix}.update_(success|rejected)$`);
    return [...text.matchAll(/: (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #admin(path: string): Promise<string> {
    const exit = this.#envoy.exit();
    if (exit !== undefined) throw new Error(`Envoy died (${exit})\n${this.#envoy.log().slice(-4000)}`);
    return (await rawRequest({ url: `${this.#envoy.adminUrl}/${path}`, timeoutMs: COMPILING_MS })).text;
  }
}

function unprefixed(name: string): string {
  return name.replace(/^wasmcustom\./, "");
}

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

interface Stats {
  readonly stats: readonly {
    readonly name?: string;
    readonly value?: number;
    readonly histograms?: readonly {
      readonly name: string;
      readonly buckets: readonly { readonly cumulative: number }[];
    }[];
  }[];
}
