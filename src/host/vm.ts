import type { AbiVersion } from "../domain/abi-version.ts";
import { BaseContext } from "./contexts/base-context.ts";
import { ContextTable } from "./contexts/context-table.ts";
import { type CallbackTable, type StreamCallbacks, streamCallbacks } from "./dispatch.ts";
import { LOG_LEVELS, type LogLevel } from "./enums.ts";
import type { HostEnvironment, LogEntry } from "./environment.ts";
import { GuestMemory } from "./guest-memory.ts";
import type { KernelContext, KernelScope } from "./host-calls/kernel-scope.ts";
import type { Delivery } from "./host-calls/scope.ts";
import type { HostModule } from "./host-module.ts";
import type { ReportCode } from "./host-report.ts";
import type { HostServices } from "./host-services.ts";
import { callbackTable, importedMemory, instantiate, tracedCallback } from "./link.ts";
import { pluginConfig, type VmConfig } from "./plugin-config.ts";
import { type Profile, profileOf } from "./profile.ts";
import { Moment } from "./restrictions.ts";
import { describeTrap, GuestAbort, START_SECTION } from "./vm-trap.ts";
import type { GuestFunction, WasmExports, WasmMemory } from "./webassembly.ts";

/** What a VM is made of. */
export interface VmOptions {
  readonly module: HostModule;
  readonly config: VmConfig;
  readonly environment: HostEnvironment;
  readonly host: HostServices;
  readonly logLevel: LogLevel;
}

/** Why a VM did not start, in Envoy's words. */
export interface VmFailure {
  readonly reason: "instantiate" | "start";
  readonly message: string;
}

/** One instance of a module: its memory, its contexts, and the way into it and out of it. */
export class Vm implements KernelScope {
  readonly module: HostModule;
  readonly memory: GuestMemory = new GuestMemory();
  readonly environment: HostEnvironment;
  readonly host: HostServices;
  readonly profile: Profile;
  readonly logLevel: LogLevel;
  readonly vmId: string;
  readonly vmConfiguration: Uint8Array;
  readonly variables: ReadonlyMap<string, string>;
  delivery: Delivery | undefined;
  /** True when the answer of the callback under way does not count: the guest answered the request itself. */
  stopped = false;
  failed = false;
  /** What ended the VM. */
  failure: string | undefined;
  callbacks: StreamCallbacks = streamCallbacks(new Map());
  moment: Moment = Moment.running;
  readonly #capabilities: ReadonlySet<string> | undefined;
  readonly #contexts = new ContextTable();
  readonly #nobody: KernelContext;
  readonly #threshold: number;
  readonly #heartbeat: Int32Array;
  readonly #softLimit: bigint | undefined;
  readonly #said = new Set<string>();
  #callbacksByName: CallbackTable = new Map();
  #current: KernelContext;
  #effective: KernelContext | undefined;
  #callback: string | undefined;
  #depth = 0;
  #lastId = 0;
  #queue: (() => void)[] = [];
  #onEnd: (() => void)[] = [];

  constructor(options: VmOptions) {
    const { module, config, environment } = options;
    this.module = module;
    this.environment = environment;
    this.host = options.host;
    this.profile = profileOf(module.profile);
    this.logLevel = options.logLevel;
    this.vmId = config.vmId;
    this.vmConfiguration = config.configuration;
    this.variables = config.environment;
    this.#capabilities = config.allowedCapabilities;
    this.#nobody = new BaseContext(0, pluginConfig({ name: "", vmId: config.vmId }), undefined);
    this.#current = this.#nobody;
    this.#contexts.add(this.#nobody);
    this.#threshold = LOG_LEVELS.indexOf(options.logLevel);
    this.#heartbeat = environment.heartbeat ?? new Int32Array(1);
    const { softCallMs } = this.profile;
    this.#softLimit = softCallMs === undefined ? undefined : BigInt(softCallMs) * 1_000_000n;
  }

  /** Makes the instance and runs its start code. Once, before everything else. */
  start(): VmFailure | undefined {
    const { module } = this;
    this.moment = Moment.linking;
    let exports: WasmExports = {};
    const make: GuestFunction = () => {
      exports = this.#instantiate();
      return undefined;
    };
    this.call(make, START_SECTION, this.#nobody);
    if (this.failed) return { reason: "instantiate", message: this.failure ?? "" };
    this.moment = Moment.starting;
    const { entry, main } = module;
    if (entry !== undefined) this.#run(entry, exports[entry]);
    if (main !== undefined && !this.failed) this.#run(main, exports[main], main === "main" ? [0, 0] : []);
    this.moment = Moment.running;
    return this.failed ? { reason: "start", message: this.failure ?? "" } : undefined;
  }

  #run(name: string, code: unknown, args: readonly number[] = []): void {
    const run = code as GuestFunction;
    const traced = this.environment.trace === undefined ? run : tracedCallback(this, name, run);
    this.call(() => traced(...args), name, this.#nobody);
  }

  #instantiate(): WasmExports {
    const { module, memory } = this;
    const made = importedMemory(module);
    if (made !== undefined) memory.attach(made, () => 0);
    const exports = instantiate(this, module, { memory: made, capabilities: this.#capabilities });
    const allocator = exports[module.allocator] as GuestFunction;
    const { exported } = module.memory;
    const own = exported === undefined ? made : (exports[exported] as WasmMemory);
    if (own !== undefined) memory.attach(own, (length) => this.#allocate(allocator, length));
    this.#callbacksByName = callbackTable(this, exports, this.#capabilities);
    this.callbacks = streamCallbacks(this.#callbacksByName);
    return exports;
  }

  get abi(): AbiVersion {
    return this.module.abi;
  }

  get context(): KernelContext {
    return this.#effective ?? this.#current;
  }

  /** Takes a new context's id; never one that was used before. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  add(context: KernelContext): void {
    this.#contexts.add(context);
  }

  remove(context: KernelContext): void {
    this.#contexts.remove(context);
  }

  /** How many contexts there are, beside the one of start code. */
  get contextCount(): number {
    return this.#contexts.size - 1;
  }

  /**
   * Calls into the guest: `code(context.id, second, third)`. A trap ends the VM and gives 0. The caller looks at `failed` and
   * `stopped`, then calls {@link leave}.
   */
  call(code: GuestFunction, name: string, context: KernelContext, second = 0, third = 0): number {
    const current = this.#current;
    const effective = this.#effective;
    const callback = this.#callback;
    const began = this.#softLimit === undefined ? 0n : this.environment.clock.monotonic();
    this.#current = context;
    this.#effective = undefined;
    this.#callback = name;
    if (this.#depth === 0) this.#beat();
    this.#depth += 1;
    try {
      return (code(context.id, second, third) as number) >>> 0;
    } catch (error) {
      this.#trapped(error, name);
      return 0;
    } finally {
      if (this.#softLimit !== undefined) this.#checkTime(began, this.#softLimit);
      this.#depth -= 1;
      if (this.#depth === 0) this.#beat();
      this.#current = current;
      this.#effective = effective;
      this.#callback = callback;
    }
  }

  #beat(): void {
    this.#heartbeat[0] = (this.#heartbeat[0] ?? 0) + 1;
  }

  #checkTime(began: bigint, limit: bigint): void {
    const took = this.environment.clock.monotonic() - began;
    if (took <= limit) return;
    const text = `${this.#callback} took ${(Number(took) / 1e6).toFixed(1)} ms; the ${this.profile.name} profile allows ${Number(limit) / 1e6}`;
    this.report("slow-callback", "warning", text);
  }

  /** Ends a call into the guest: what waited for it happens now. */
  leave(): void {
    this.stopped = false;
    if (this.#queue.length > 0 && this.#depth === 0) this.#drain();
  }

  callRoot(name: string, root: KernelContext, ...args: number[]): number | undefined {
    const code = this.#callbacksByName.get(name);
    if (this.failed || code === undefined || this.#contexts.get(root.id) === undefined) return undefined;
    const [second = 0, third = 0, ...more] = args;
    const wide: GuestFunction = more.length === 0 ? code : (id) => code(id ?? 0, ...args);
    const result = this.call(wide, name, root, second, third);
    this.delivery = undefined;
    this.leave();
    return result;
  }

  afterCall(action: () => void): void {
    this.#queue.push(action);
    if (this.#depth === 0) this.#drain();
  }

  onEnd(action: () => void): void {
    this.#onEnd.push(action);
  }

  /** Gives up what is under way outside; for a VM that failed or whose last root is gone. */
  end(): void {
    const actions = this.#onEnd;
    this.#onEnd = [];
    for (const action of actions) action();
  }

  setEffectiveContext(id: number): boolean {
    const context = this.#contexts.get(id);
    if (context === undefined) return false;
    this.#effective = id === 0 ? undefined : context;
    return true;
  }

  assertRunning(): void {
    if (this.moment !== Moment.running) throw new GuestAbort("restricted_callback");
  }

  stopIteration(): void {
    this.stopped = true;
  }

  log(level: LogLevel, source: LogEntry["source"], text: string): void {
    if (LOG_LEVELS.indexOf(level) < this.#threshold) return;
    const { context } = this;
    const nobody = context.id === 0;
    const { name, rootId, vm } = context.plugin;
    this.environment.log({
      level,
      text,
      source,
      plugin: nobody ? undefined : { name, rootId, vmId: vm.vmId },
      contextId: nobody ? undefined : context.id,
      stream: !context.isRoot,
    });
  }

  report(code: ReportCode, severity: "fault" | "warning", message: string): void {
    const { context } = this;
    this.environment.report?.({
      code,
      severity,
      message,
      plugin: context.id === 0 ? undefined : context.plugin.name,
      contextId: context.id === 0 ? undefined : context.id,
      callback: this.#callback,
    });
  }

  reportOnce(subject: string, ...report: Parameters<Vm["report"]>): void {
    if (this.#said.has(subject)) return;
    this.#said.add(subject);
    this.report(...report);
  }

  /** Always within a host call, so within a call. */
  #allocate(allocator: GuestFunction, length: number): number {
    const current = this.#current;
    const effective = this.#effective;
    const { moment } = this;
    this.#current = this.#nobody;
    this.#effective = undefined;
    this.moment = Moment.allocating;
    try {
      return allocator(length) as number;
    } catch (error) {
      this.#trapped(error, this.module.allocator);
      return 0;
    } finally {
      this.moment = moment;
      this.#current = current;
      this.#effective = effective;
    }
  }

  #trapped(error: unknown, callback: string): void {
    const message = describeTrap(error, callback);
    this.failed = true;
    this.failure ??= message ?? `the host failed in ${callback}`;
    if (message === undefined) throw error;
    this.log("error", "host", message);
    const { memory, module } = this;
    if (memory.byteLength >= module.memory.maximumPages * PAGE)
      this.report("memory-limit", "fault", `the memory was at its limit of ${module.memory.maximumPages} pages`);
    this.report("trap", "fault", message);
    this.end();
  }

  #drain(): void {
    for (let action = this.#queue.shift(); action !== undefined; action = this.#queue.shift()) action();
  }
}

const PAGE = 65_536;
