import { RootContext } from "./contexts/root-context.ts";
import type { LogLevel } from "./enums.ts";
import type { HostEnvironment } from "./environment.ts";
import { latin1 } from "./guest-memory.ts";
import type { HostModule } from "./host-module.ts";
import type { HostServices } from "./host-services.ts";
import { MetricStore } from "./metrics.ts";
import type { PluginConfig } from "./plugin-config.ts";
import { Plugin, type PluginSlot } from "./plugin.ts";
import { profileOf, type ProfileName } from "./profile.ts";
import { SharedDataStore } from "./shared-data.ts";
import { SharedQueueStore } from "./shared-queue.ts";
import { Timers } from "./timers.ts";
import { Vm } from "./vm.ts";

export type { Plugin } from "./plugin.ts";

/** How a host is set up. */
export interface HostOptions {
  readonly environment: HostEnvironment;
  /** Whose rules hold: modules must be loaded with the same. Default `envoy`. */
  readonly profile?: ProfileName | undefined;
  /** Lines below it are dropped; what guests are told it is. Default `trace`. */
  readonly logLevel?: LogLevel | undefined;
  /** Workers of a proxy: each has its own VM of everything. Default 1. */
  readonly workers?: number | undefined;
}

/** What became of a plugin. A rejected one leaves nothing behind. */
export type StartResult =
  | { readonly started: true; readonly plugin: Plugin }
  | { readonly started: false; readonly reason: StartProblem; readonly message: string };

/** Where starting ended: `start` is the module's own start code; the message says why in Envoy's words. */
export type StartProblem = "instantiate" | "start" | "root-context" | "vm-start" | "configure";

/**
 * A Proxy-Wasm host: runs filters, and holds what they share. It is synchronous and does nothing by itself: whoever drives it
 * calls {@link Host.settle} after every event, and when {@link Host.nextDue} says.
 */
export class Host {
  readonly metrics: MetricStore = new MetricStore();
  readonly sharedData: SharedDataStore = new SharedDataStore();
  readonly sharedQueues: SharedQueueStore;
  readonly #environment: HostEnvironment;
  readonly #profile: ProfileName;
  readonly #logLevel: LogLevel;
  readonly #workers: Map<string, WorkerVm>[];
  readonly #timers: Timers;
  readonly #services: HostServices;
  #posted: (() => void)[] = [];

  constructor(options: HostOptions) {
    this.#environment = options.environment;
    this.#profile = options.profile ?? "envoy";
    this.#logLevel = options.logLevel ?? "trace";
    this.#workers = Array.from({ length: options.workers ?? 1 }, () => new Map<string, WorkerVm>());
    const post = (task: () => void): void => void this.#posted.push(task);
    this.#timers = new Timers(options.environment.clock);
    this.sharedQueues = new SharedQueueStore(post);
    this.#services = {
      post,
      sharedData: this.sharedData,
      sharedQueues: this.sharedQueues,
      metrics: this.metrics,
      timers: this.#timers,
    };
  }

  /** Starts a filter in every worker: VM, root context, `proxy_on_vm_start`, `proxy_on_configure`. */
  start(module: HostModule, config: PluginConfig): StartResult {
    const problem = this.#tooLarge(module, config);
    if (problem !== undefined) return { started: false, reason: "configure", message: problem };
    const before = new Set(this.#workers.flatMap((vms) => rootsOf(vms)));
    const slots: PluginSlot[] = [];
    for (const vms of this.#workers) {
      const slot = this.#startIn(vms, module, config);
      if ("message" in slot) {
        for (const others of this.#workers) discard(others, (root) => !before.has(root));
        return slot;
      }
      slots.push(slot);
    }
    return { started: true, plugin: new Plugin(config, slots) };
  }

  /** When the next timer is due, in nanoseconds of `clock.monotonic`; now when something waits; `undefined` for never. */
  nextDue(): bigint | undefined {
    return this.#posted.length > 0 ? this.#environment.clock.monotonic() : this.#timers.nextDue();
  }

  /** Makes the callbacks that are due by the clock, and those that events brought about; how many. */
  settle(): number {
    const ticks = this.#timers.run();
    let count = 0;
    try {
      for (let task = this.#posted[count]; task !== undefined && count < MAX_TASKS; task = this.#posted[count]) {
        count += 1;
        task();
      }
    } finally {
      this.#posted.splice(0, count);
    }
    return ticks + count;
  }

  /** Ends all filters, the last one first: `proxy_on_done` and `proxy_on_delete` of the roots. One that answers 0 stays until it says `proxy_done`. */
  stop(): void {
    for (const vms of this.#workers) {
      for (const { roots, vm } of vms.values()) {
        for (const root of Array.from(roots.values()).toReversed()) root.stop(); // the last one first, as in Envoy
        if ([...roots.values()].every((root) => root.deleted)) vm.end();
      }
      vms.clear();
    }
  }

  #tooLarge(module: HostModule, config: PluginConfig): string | undefined {
    const { name, maxModuleBytes } = profileOf(this.#profile);
    if (module.profile !== name)
      return `the module was loaded for the profile ${module.profile}, and the host follows ${name}`;
    if (maxModuleBytes === undefined) return undefined;
    const bytes = module.size + config.configuration.length + config.vm.configuration.length;
    if (bytes <= maxModuleBytes) return undefined;
    return `module and configuration have ${bytes} bytes, and the ${name} profile takes ${maxModuleBytes}`;
  }

  #startIn(
    vms: Map<string, WorkerVm>,
    module: HostModule,
    config: PluginConfig,
  ): PluginSlot | Extract<StartResult, { started: false }> {
    const started = this.#root(vms, module, config);
    if (!(started instanceof RootContext)) return started;
    let root: RootContext = started;
    let loaded = this.#environment.clock.monotonic();
    return {
      get root(): RootContext {
        return root;
      },
      reload: (): void => {
        const now = this.#environment.clock.monotonic();
        if (now - loaded < RELOAD_AFTER) return;
        loaded = now;
        const again = this.#root(vms, module, config);
        if (again instanceof RootContext) root = again;
      },
    };
  }

  /** The root of a plugin in a worker: the one there is for an equal plugin, or a new one in a VM that may be shared. */
  #root(
    vms: Map<string, WorkerVm>,
    module: HostModule,
    config: PluginConfig,
  ): RootContext | Extract<StartResult, { started: false }> {
    const key = vmKey(module, config);
    const rootKey = JSON.stringify([config.name, config.rootId, latin1(config.configuration)]);
    const known = vms.get(key);
    const shared = known === undefined || known.vm.failed ? undefined : known;
    const equal = shared?.roots.get(rootKey);
    if (equal !== undefined) return equal;
    const vm = shared?.vm ?? new Vm({ module, config: config.vm, ...this.#forVms() });
    const failure = shared === undefined ? vm.start() : undefined;
    if (failure !== undefined) return { started: false, ...failure };
    const root = new RootContext(vm, config);
    const refused = root.start();
    if (refused !== undefined) {
      root.discard();
      return { started: false, ...refused };
    }
    const worker = shared ?? { vm, roots: new Map<string, RootContext>() };
    worker.roots.set(rootKey, root);
    vms.set(key, worker);
    return root;
  }

  #forVms(): { environment: HostEnvironment; host: HostServices; logLevel: LogLevel } {
    return { environment: this.#environment, host: this.#services, logLevel: this.#logLevel };
  }
}

/** A VM and its plugins, each by what makes it equal to another. */
interface WorkerVm {
  readonly vm: Vm;
  readonly roots: Map<string, RootContext>;
}

function rootsOf(vms: ReadonlyMap<string, WorkerVm>): RootContext[] {
  return Array.from(vms.values()).flatMap(({ roots }) => [...roots.values()]);
}

/** Forgets roots without a word to the guest, and the VMs that have no others. */
function discard(vms: Map<string, WorkerVm>, which: (root: RootContext) => boolean): void {
  for (const [key, { roots }] of vms) {
    for (const [rootKey, root] of roots) {
      if (!which(root)) continue;
      root.discard();
      roots.delete(rootKey);
    }
    if (roots.size === 0) vms.delete(key);
  }
}

/** Filters with an equal key share a VM. */
function vmKey(module: HostModule, { vm }: PluginConfig): string {
  const capabilities = vm.allowedCapabilities === undefined ? null : [...vm.allowedCapabilities].toSorted();
  return JSON.stringify([module.key, vm.vmId, latin1(vm.configuration), [...vm.environment], capabilities]);
}

/** Nanoseconds from one load to the next at least. */
const RELOAD_AFTER = 1_000_000_000n;
/** Tasks that bring about tasks: after so many the driver gets its turn. */
const MAX_TASKS = 1000;
