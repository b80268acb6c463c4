import { textOf } from "../byte-string.ts";
import { MapType } from "../enums.ts";
import { FILTER_PREFIX, readProperty } from "../properties.ts";
import { needsRequestHeaders } from "../properties-request.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import { DeclaredProperties, foreignCalls } from "./foreign.ts";
import type { KernelScope } from "./kernel-scope.ts";

/**
 * Properties of the proxy, the connection and the stream, and filter state (`properties.ts`); with them the foreign
 * functions, of which one declares properties.
 */
export function propertyCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const declared = new DeclaredProperties();
  return {
    ...foreignCalls(scope, declared),
    proxy_get_property(path: number, pathLength: number, outValue: number, outLength: number): Status {
      const name = memory.latin1(path, pathLength);
      if (name === undefined) return Status.invalidMemoryAccess;
      const { context } = scope;
      const value = readProperty(
        {
          stream: context.stream,
          requestHeaders: context.map(MapType.requestHeaders),
          responseHeaders: context.map(MapType.responseHeaders),
          responseTrailers: context.map(MapType.responseTrailers),
          plugin: context.plugin,
          onlyGiven: scope.profile.tester,
        },
        name,
      );
      if (context.requestMapGone) reportGone(scope, name);
      return typeof value === "number" ? value : memory.give(value, outValue, outLength);
    },
    proxy_set_property(path: number, pathLength: number, value: number, valueLength: number): Status {
      const name = memory.latin1(path, pathLength);
      const bytes = memory.copy(value, valueLength);
      if (name === undefined || bytes === undefined) return Status.invalidMemoryAccess;
      const { stream, root } = scope.context;
      if (stream === undefined) return Status.notFound;
      const key = FILTER_PREFIX + name;
      const old = stream.filterState.get(key);
      if (old?.readOnly === true) return Status.badArgument;
      stream.filterState.set(key, { bytes, readOnly: old?.readOnly ?? declared.readOnly(root, textOf(name)) });
      return Status.ok;
    },
  };
}

/** Envoy has nothing more of the request's headers here, which surprises whoever does not know. */
function reportGone(scope: KernelScope, path: string): void {
  const [family = "", name = ""] = path.split("\0", 2);
  if (family !== "request" || !needsRequestHeaders(name)) return;
  const message = `the property request.${name} was read when the request had gone on: Envoy has its headers no more`;
  scope.reportOnce(`request.${name}`, "request-map-gone", "warning", message);
}
