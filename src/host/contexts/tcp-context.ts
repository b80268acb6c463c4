import type { BodyBuffer } from "../body-buffer.ts";
import { BufferType, PeerType, StreamType } from "../enums.ts";
import type { ClosedBy, NetworkFilter, NetworkFilterCallbacks, NetworkStatus } from "../network-filter.ts";
import { Status } from "../status.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { Vm } from "../vm.ts";
import type { GuestFunction } from "../webassembly.ts";
import { BaseContext } from "./base-context.ts";
import type { RootContext } from "./root-context.ts";

/** One TCP connection of a plugin. */
export class TcpContext extends BaseContext implements NetworkFilter {
  readonly #vm: Vm;
  #callbacks: NetworkFilterCallbacks | undefined;
  #created = false;
  #ended = false;
  #failed = false;
  #downstreamClosed = false;
  #upstreamClosed = false;
  #downstreamData: BodyBuffer | undefined;
  #upstreamData: BodyBuffer | undefined;

  constructor(vm: Vm, root: RootContext) {
    super(vm.nextId(), root.plugin, root);
    this.#vm = vm;
    vm.add(this);
  }

  attach(callbacks: NetworkFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    this.#created = true;
    this.#tell(this.#vm.callbacks.contextCreate, "proxy_on_context_create", this.root.id);
    return this.#ask(this.#vm.callbacks.newConnection, "proxy_on_new_connection");
  }

  onDownstreamData(data: BodyBuffer, endStream: boolean): NetworkStatus {
    if (!this.#created) return "continue";
    this.#downstreamData = data;
    const { downstreamData } = this.#vm.callbacks;
    const status = this.#ask(downstreamData, "proxy_on_downstream_data", data.length, endStream ? 1 : 0);
    if (status === "continue") this.#downstreamData = undefined;
    return status;
  }

  /** The end of the upstream's data is its close, told as by nobody known: Envoy's filter sees no more of it. */
  onUpstreamData(data: BodyBuffer, endStream: boolean): NetworkStatus {
    if (!this.#created) return "continue";
    this.#upstreamData = data;
    const { upstreamData } = this.#vm.callbacks;
    const status = this.#ask(upstreamData, "proxy_on_upstream_data", data.length, endStream ? 1 : 0);
    if (status === "continue") this.#upstreamData = undefined;
    if (endStream) this.onUpstreamClose("unknown");
    return status;
  }

  onDownstreamClose(by: ClosedBy): void {
    if (!this.#created || this.#downstreamClosed) return;
    this.#downstreamClosed = true;
    this.#tell(this.#vm.callbacks.downstreamClose, "proxy_on_downstream_connection_close", PeerType[by]);
    this.destroy();
  }

  onUpstreamClose(by: ClosedBy): void {
    if (!this.#created || this.#upstreamClosed) return;
    this.#upstreamClosed = true;
    this.#tell(this.#vm.callbacks.upstreamClose, "proxy_on_upstream_connection_close", PeerType[by]);
  }

  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#created) {
      this.#tell(this.#vm.callbacks.done, "proxy_on_done");
      this.#tell(this.#vm.callbacks.log, "proxy_on_log");
      this.#tell(this.#vm.callbacks.delete, "proxy_on_delete");
    }
    this.#vm.remove(this);
  }

  #tell(code: GuestFunction | undefined, name: string, second?: number): void {
    const vm = this.#vm;
    if (vm.failed || code === undefined) return;
    vm.call(code, name, this, second);
    vm.leave();
  }

  #ask(code: GuestFunction | undefined, name: string, second?: number, third?: number): NetworkStatus {
    const vm = this.#vm;
    if (vm.failed) return this.#fail();
    if (code === undefined) return "continue";
    const answer = vm.call(code, name, this, second, third);
    const status = vm.failed ? this.#fail() : answer === 0 ? "continue" : "stop-iteration";
    vm.leave();
    return status;
  }

  #fail(): NetworkStatus {
    if (!this.#failed) this.#callbacks?.close();
    this.#failed = true;
    return "stop-iteration";
  }

  override get stream(): StreamInfo | undefined {
    return this.#callbacks?.info;
  }

  override buffer(type: number): BodyBuffer | undefined {
    if (type === BufferType.downstreamData) return this.#downstreamData;
    return type === BufferType.upstreamData ? this.#upstreamData : undefined;
  }

  override continueStream(type: number): Status {
    if (type === StreamType.downstream) this.#later((callbacks) => callbacks.continueReading());
    return type === StreamType.upstream ? Status.unimplemented : Status.ok;
  }

  override closeStream(type: number): Status {
    if (type >= StreamType.downstream) this.#later((callbacks) => callbacks.close());
    return Status.ok;
  }

  #later(action: (callbacks: NetworkFilterCallbacks) => void): void {
    this.#vm.afterCall(() => {
      if (this.#callbacks !== undefined && !this.#ended) action(this.#callbacks);
    });
  }
}
