import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope } from "./scope.ts";

/** The shared key-value store (`shared-data.ts`), by the `vm_id` of the caller. */
export function sharedDataCalls(scope: CallScope): Record<string, HostFunction> {
  const { memory } = scope;
  const store = scope.host.sharedData;
  return {
    proxy_get_shared_data(key: number, keyLength: number, outValue: number, outLength: number, outCas: number): Status {
      const name = memory.latin1(key, keyLength);
      if (name === undefined) return Status.invalidMemoryAccess;
      const found = store.get(scope.vmId, name);
      if (found === undefined) return Status.notFound;
      const given = memory.give(found.value, outValue, outLength);
      if (given !== Status.ok) return given;
      return memory.writeU32(outCas, found.cas) ? Status.ok : Status.invalidMemoryAccess;
    },
    proxy_set_shared_data(key: number, keyLength: number, value: number, valueLength: number, cas: number): Status {
      const name = memory.latin1(key, keyLength);
      const data = memory.view(value, valueLength);
      if (name === undefined || data === undefined) return Status.invalidMemoryAccess;
      return store.set(scope.vmId, name, data, cas >>> 0) ? Status.ok : Status.casMismatch;
    },
  };
}
