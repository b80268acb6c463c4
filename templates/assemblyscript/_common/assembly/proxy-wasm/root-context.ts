import { Body, pluginConfigurationBuffer, vmConfigurationBuffer } from "./body";
import { proxy_done, proxy_set_tick_period_milliseconds } from "./host";
import { HttpCallResponse, startHttpCall } from "./http-call";
import { SharedQueue } from "./shared-queue";
import { ok } from "./status";

let nextId: u32 = 0;
let nextRootId: string = "";

/** Says which root context the next constructor makes. */
export function prepareRoot(id: u32, rootId: string): void {
  nextId = id;
  nextRootId = rootId;
}

/**
 * One configured filter on one thread of the proxy. Extend it for what outlives a single request: a parsed
 * configuration, a timer, answers to background calls. A filter that needs none of that has no root class of its own.
 *
 * Override a method to receive its callback; the module exports only the callbacks that some class overrides.
 */
export class RootContext {
  /** The proxy's number for this context. */
  readonly id: u32 = nextId;
  /** The root id this filter is configured with. */
  readonly rootId: string = nextRootId;
  /** The plugin configuration as text: empty when there is none. A structured one arrives as JSON. */
  configuration: string = "";

  /** The VM's own configuration, shared by all filters of the VM. */
  get vmConfiguration(): Body {
    return vmConfigurationBuffer;
  }

  /** The plugin configuration as raw bytes; readable in `onConfigure` only. */
  get configurationBytes(): Body {
    return pluginConfigurationBuffer;
  }

  /** The VM has started. Only the first filter of a VM hears it. `false` refuses the whole VM. */
  onVmStart(): bool {
    return true;
  }

  /** `this.configuration` is there, or has changed. `false` makes the proxy refuse the configuration. */
  onConfigure(): bool {
    return true;
  }

  /** The period set with `setTickPeriod` has passed. */
  onTick(): void {}

  /** Somebody put an item into a queue that this context registered; others may have emptied it already. */
  onQueueReady(queue: SharedQueue): void {}

  /** The answer to a call of this context; `call` is what `httpCall` returned. */
  onHttpCallResponse(call: i32, response: HttpCallResponse): void {}

  /** The proxy calls the filter for a purpose of its own. */
  onForeignFunction(id: u32, argument: Body): void {}

  /** The filter goes away. `false` keeps it until `done()` is called. */
  onDone(): bool {
    return true;
  }

  /** Last words before `onDelete`. */
  onLog(): void {}

  /** The context is gone after this call. */
  onDelete(): void {}

  /** Calls `onTick` every so many milliseconds from now on; 0 stops it. There is one timer per root context. */
  setTickPeriod(milliseconds: u32): bool {
    return ok(proxy_set_tick_period_milliseconds(milliseconds));
  }

  /**
   * Sends an HTTP request to a cluster of the proxy; the answer arrives at `onHttpCallResponse`.
   *
   * @param cluster The upstream's name in the proxy's configuration.
   * @param headers Needs `:method`, `:path` and `:authority`.
   * @param body A `string` or an `ArrayBuffer`; `""` for none.
   * @param timeout In milliseconds; 0 waits for ever.
   * @returns The call's number, or -1 if the proxy refused it: unknown cluster, missing pseudo header.
   */
  httpCall<T>(cluster: string, headers: string[][], body: T, timeout: u32 = 5000, trailers: string[][] = []): i32 {
    return startHttpCall<T>(this.id, cluster, headers, body, timeout, trailers);
  }

  /** Ends the wait that `onDone` asked for by returning `false`. */
  done(): bool {
    return ok(proxy_done());
  }
}
