import {
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_register_shared_queue,
  proxy_resolve_shared_queue,
} from "./host";
import { OUT, clearOut, nameOut, outNumber, outSize, takeBytes, valueOut } from "./memory";
import { ok } from "./status";

/** A first-in-first-out queue between filters and threads of one proxy. */
// @ts-ignore: decorator
@final
export class SharedQueue {
  constructor(
    /** The proxy's number for it. */
    readonly id: u32,
  ) {}

  /** Makes a queue, or takes an existing one over: `RootContext.onQueueReady` of the caller then hears of new items. */
  static register(name: string): SharedQueue | null {
    nameOut.setText(name);
    if (!ok(proxy_register_shared_queue(nameOut.address, nameOut.size, OUT))) return null;
    return new SharedQueue(outNumber());
  }

  /** Finds a queue that another VM registered; `""` is the own VM's id. `null` until it is registered. */
  static resolve(vmId: string, name: string): SharedQueue | null {
    nameOut.setText(vmId);
    valueOut.setText(name);
    if (!ok(proxy_resolve_shared_queue(nameOut.address, nameOut.size, valueOut.address, valueOut.size, OUT))) {
      return null;
    }
    return new SharedQueue(outNumber());
  }

  /** Puts an item, a `string` or an `ArrayBuffer`, at the end. */
  enqueue<T>(item: T): bool {
    valueOut.set<T>(item);
    return ok(proxy_enqueue_shared_queue(this.id, valueOut.address, valueOut.size));
  }

  /** Takes the first item; `null` if the queue is empty. `decodeText` makes text of it. */
  dequeue(): ArrayBuffer | null {
    clearOut();
    if (!ok(proxy_dequeue_shared_queue(this.id, OUT, outSize()))) return null;
    return takeBytes();
  }
}
