import { MetricTable } from "../metrics.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope } from "./scope.ts";

/** Counters, gauges and histograms (`metrics.ts`); ids are of this VM, values of the host. */
export function metricCalls(scope: CallScope): Record<string, HostFunction> {
  const { memory } = scope;
  const table = new MetricTable(scope.host.metrics);
  return {
    proxy_define_metric(type: number, name: number, nameLength: number, outId: number): Status {
      const text = memory.latin1(name, nameLength);
      if (text === undefined) return Status.invalidMemoryAccess;
      const id = table.define(type >>> 0, text);
      if (id === undefined) return Status.badArgument;
      return memory.writeU32(outId, id) ? Status.ok : Status.invalidMemoryAccess;
    },
    proxy_increment_metric: (id: number, offset: bigint): Status => table.increment(id >>> 0, offset),
    proxy_record_metric: (id: number, value: bigint): Status => table.record(id >>> 0, value),
    proxy_get_metric(id: number, outValue: number): Status {
      const value = table.get(id >>> 0);
      if (typeof value !== "bigint") return value;
      return memory.writeU64(outValue, value) ? Status.ok : Status.invalidMemoryAccess;
    },
  };
}
