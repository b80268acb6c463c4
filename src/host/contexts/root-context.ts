import type { PluginConfig } from "../plugin-config.ts";
import { Status } from "../status.ts";
import type { Vm } from "../vm.ts";
import { BaseContext } from "./base-context.ts";

/** Why a root did not start, in Envoy's words. */
export interface RootFailure {
  readonly reason: "root-context" | "vm-start" | "configure";
  readonly message: string;
}

/** The context of a plugin: configured once, ticked, told of answers, and parent of its streams. */
export class RootContext extends BaseContext {
  readonly vm: Vm;
  #state: "running" | "stopping" | "waiting" | "deleted" = "running";

  constructor(vm: Vm, plugin: PluginConfig) {
    super(vm.nextId(), plugin, undefined);
    this.vm = vm;
    vm.add(this);
    vm.onEnd(() => this.#stopTimer());
  }

  /** Creates the context, starts the VM for it, and configures it. `undefined` when all went well. */
  start(): RootFailure | undefined {
    const { vm } = this;
    this.configuring = true;
    vm.callRoot("proxy_on_context_create", this, 0);
    this.configuring = false;
    if (vm.failed) return this.#failure("root-context");
    const started = vm.callRoot("proxy_on_vm_start", this, vm.vmConfiguration.length);
    if (vm.failed || started === 0) return this.#failure("vm-start");
    this.configuring = true;
    const accepted = vm.callRoot("proxy_on_configure", this, this.plugin.configuration.length);
    this.configuring = false;
    return vm.failed || accepted === 0 ? this.#failure("configure") : undefined;
  }

  #failure(reason: RootFailure["reason"]): RootFailure {
    const message = reason === "configure" ? "Failed to configure base Wasm plugin" : "Failed to start base Wasm";
    if (!this.vm.failed) this.vm.log("error", "host", message);
    return { reason, message: this.vm.failure ?? message };
  }

  /** `proxy_on_done`, and the end unless the guest wants to say later that it is done (`proxy_done`). */
  stop(): void {
    if (this.#state !== "running") return;
    this.#state = "stopping";
    if (this.vm.callRoot("proxy_on_done", this) !== 0) this.#delete();
    else this.#state = "waiting";
  }

  /** Ends it without a word to the guest: it never came to be. */
  discard(): void {
    this.#state = "deleted";
    this.#stopTimer();
    this.vm.remove(this);
    if (this.vm.contextCount === 0) this.vm.end();
  }

  override done(): Status {
    if (this.#state !== "waiting") return Status.notFound;
    this.vm.afterCall(() => this.#delete());
    return Status.ok;
  }

  /** True when the guest was told that it is gone. */
  get deleted(): boolean {
    return this.#state === "deleted";
  }

  #delete(): void {
    if (this.#state === "deleted") return;
    this.#state = "deleted";
    this.vm.callRoot("proxy_on_delete", this);
    this.discard();
  }

  #stopTimer(): void {
    this.vm.host.timers.set(this, 0, () => undefined);
  }
}
