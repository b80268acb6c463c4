import { FailedHttpFilter, FailedNetworkFilter } from "./contexts/failed-filter.ts";
import { HttpContext } from "./contexts/http-context.ts";
import type { RootContext } from "./contexts/root-context.ts";
import { TcpContext } from "./contexts/tcp-context.ts";
import type { HttpFilter, HttpFilterFactory } from "./http-filter.ts";
import type { NetworkFilter, NetworkFilterFactory } from "./network-filter.ts";
import type { PluginConfig } from "./plugin-config.ts";

/** A filter, configured and running in one VM per worker: makes the filters of streams and connections. */
export class Plugin implements HttpFilterFactory, NetworkFilterFactory {
  readonly config: PluginConfig;
  readonly #slots: PluginSlot[];

  /** Made by `Host.start`. */
  constructor(config: PluginConfig, slots: readonly PluginSlot[]) {
    this.config = config;
    this.#slots = [...slots];
  }

  get name(): string {
    return this.config.name;
  }

  /** True when the VM of the first worker is gone (a trap); what streams get then is up to `failurePolicy`. */
  get failed(): boolean {
    return this.#slot(0).root.vm.failed;
  }

  /** The filter of one HTTP stream. */
  createHttpFilter(worker = 0): HttpFilter {
    const root = this.#ready(worker);
    return root === undefined
      ? new FailedHttpFilter(this.config.failurePolicy === "open")
      : new HttpContext(root.vm, root);
  }

  /** The filter of one TCP connection. */
  createNetworkFilter(worker = 0): NetworkFilter {
    const root = this.#ready(worker);
    return root === undefined
      ? new FailedNetworkFilter(this.config.failurePolicy === "open")
      : new TcpContext(root.vm, root);
  }

  /** Calls `proxy_on_tick` now, whatever the timer says. */
  tick(worker = 0): void {
    const { root } = this.#slot(worker);
    root.vm.callRoot("proxy_on_tick", root);
  }

  /** Calls `proxy_on_foreign_function`: the guest reads the bytes as buffer 8. */
  callForeignFunction(id: number, bytes: Uint8Array, worker = 0): void {
    const { root } = this.#slot(worker);
    root.vm.delivery = { foreignArguments: bytes };
    root.vm.callRoot("proxy_on_foreign_function", root, id, bytes.length);
    root.vm.delivery = undefined;
  }

  /** Pages of 64 KiB the guest's memory has. */
  memoryPages(worker = 0): number {
    return this.#slot(worker).root.vm.memory.byteLength / 65_536;
  }

  /** Contexts in the VM, roots included: more and more of them is a leak of the driver. */
  contexts(worker = 0): number {
    return this.#slot(worker).root.vm.contextCount;
  }

  #slot(worker: number): PluginSlot {
    const slot = this.#slots[worker];
    if (slot === undefined) throw new RangeError(`there is no worker ${worker}`);
    return slot;
  }

  /** The root to make streams with; `undefined` when the VM is gone and stays so for now. */
  #ready(worker: number): RootContext | undefined {
    const slot = this.#slot(worker);
    if (slot.root.vm.failed && this.config.failurePolicy === "reload") slot.reload();
    const { root } = slot;
    if (!root.vm.failed) return root;
    const open = this.config.failurePolicy === "open";
    const outcome = open ? "the stream passes without it" : "the stream is answered with 503";
    root.vm.environment.report?.({
      code: "failed-vm",
      severity: open ? "warning" : "fault",
      message: `the VM of the filter is gone: ${outcome}`,
      plugin: this.name,
      contextId: undefined,
      callback: undefined,
    });
    return undefined;
  }
}

/** A plugin in one worker. */
export interface PluginSlot {
  readonly root: RootContext;
  /** Starts it anew when it may be tried again. */
  reload(): void;
}
