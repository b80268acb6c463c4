import { textOf } from "../byte-string.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope } from "./scope.ts";

/** The shared queues (`shared-queue.ts`). The root of the context that registers a queue hears of what is put in. */
export function sharedQueueCalls(scope: CallScope): Record<string, HostFunction> {
  const { memory } = scope;
  const store = scope.host.sharedQueues;
  return {
    proxy_register_shared_queue(name: number, nameLength: number, outId: number): Status {
      const text = memory.latin1(name, nameLength);
      if (text === undefined) return Status.invalidMemoryAccess;
      const { root } = scope.context;
      const id = store.register(scope.vmId, text, (queue) => void scope.callRoot("proxy_on_queue_ready", root, queue));
      return memory.writeU32(outId, id) ? Status.ok : Status.invalidMemoryAccess;
    },
    proxy_resolve_shared_queue(vm: number, vmLength: number, name: number, nameLength: number, outId: number): Status {
      const vmId = memory.latin1(vm, vmLength);
      const text = memory.latin1(name, nameLength);
      if (vmId === undefined || text === undefined) return Status.invalidMemoryAccess;
      const id = store.resolve(vmId === "" ? scope.vmId : textOf(vmId), text);
      if (id === undefined) return Status.notFound;
      return memory.writeU32(outId, id) ? Status.ok : Status.invalidMemoryAccess;
    },
    proxy_enqueue_shared_queue(id: number, data: number, length: number): Status {
      const bytes = memory.view(data, length);
      if (bytes === undefined) return Status.invalidMemoryAccess;
      return store.enqueue(id >>> 0, bytes) ? Status.ok : Status.notFound;
    },
    proxy_dequeue_shared_queue(id: number, outData: number, outLength: number): Status {
      const taken = store.dequeue(id >>> 0);
      if (taken === "unknown") return Status.notFound;
      return taken === "empty" ? Status.empty : memory.give(taken, outData, outLength);
    },
  };
}
