import { MapType } from "../enums.ts";
import { latin1Bytes } from "../guest-memory.ts";
import type { HeaderMap } from "../header-map.ts";
import { decodePairs, pairsSize, writePairs } from "../pairs-codec.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** Header maps: whole, by name, and their size. */
export function headerCalls(scope: KernelScope): Record<string, HostFunction> {
  return { ...wholeMapCalls(scope), ...valueCalls(scope) };
}

function wholeMapCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    proxy_get_header_map_pairs(type: number, outPointer: number, outLength: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const map = readable(scope, type);
      if (map === undefined && scope.profile.tester) return Status.badArgument;
      if (map === undefined || map.size === 0) return memory.give(NOTHING, outPointer, outLength);
      const length = pairsSize(map.flat);
      const given = memory.allocate(length);
      if (given === undefined) return Status.invalidMemoryAccess;
      writePairs(map.flat, given.bytes);
      return memory.writeU32(outPointer, given.pointer) && memory.writeU32(outLength, length)
        ? Status.ok
        : Status.invalidMemoryAccess;
    },
    proxy_set_header_map_pairs(type: number, pointer: number, length: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const bytes = memory.view(pointer, length);
      if (bytes === undefined) return Status.invalidMemoryAccess;
      const map = writable(scope, type);
      if (map === undefined) return Status.badArgument;
      map.replaceAll(entries(readPairs(scope, bytes, "proxy_set_header_map_pairs")));
      changed(scope, type);
      return Status.ok;
    },
    proxy_get_header_map_size(type: number, outSize: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const map = writable(scope, type);
      if (map === undefined) return Status.badArgument;
      return memory.writeU32(outSize, map.byteSize) ? Status.ok : Status.invalidMemoryAccess;
    },
  };
}

function valueCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const missing = scope.abi === "0.1.0" ? Status.ok : Status.notFound;
  const { tester } = scope.profile;
  // The tester keeps the names as they are written, and finds them in any case.
  const nameOf = (name: number, length: number): string | undefined =>
    tester ? memory.latin1(name, length) : memory.name(name, length);
  const write =
    (change: "add" | "set"): HostFunction =>
    (type: number, name: number, length: number, text: number, textLength: number): Status => {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const key = nameOf(name, length);
      const value = memory.latin1(text, textLength);
      if (key === undefined || value === undefined) return Status.invalidMemoryAccess;
      const map = writable(scope, type);
      if (map === undefined) return Status.badArgument;
      if (change === "add") map.add(key, value);
      else map.set(key, value);
      changed(scope, type);
      return Status.ok;
    };
  return {
    proxy_get_header_map_value(
      type: number,
      name: number,
      length: number,
      outPointer: number,
      outLength: number,
    ): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const key = nameOf(name, length);
      if (key === undefined) return Status.invalidMemoryAccess;
      const map = readable(scope, type);
      if (map === undefined && (tester || !scope.context.logging)) return Status.badArgument;
      const value = map?.get(key);
      if (value !== undefined) return memory.giveLatin1(value, outPointer, outLength);
      return missing === Status.ok ? memory.give(NOTHING, outPointer, outLength) : missing;
    },
    proxy_add_header_map_value: write("add"),
    proxy_replace_header_map_value: write("set"),
    proxy_remove_header_map_value(type: number, name: number, length: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_MAP) return Status.badArgument;
      const key = nameOf(name, length);
      if (key === undefined) return Status.invalidMemoryAccess;
      const map = writable(scope, type);
      if (map === undefined) return Status.badArgument;
      map.remove(key);
      changed(scope, type);
      return Status.ok;
    },
  };
}

/** The pairs a guest handed over, flat; a mistake Envoy swallows is reported. */
export function readPairs(scope: KernelScope, bytes: Uint8Array, call: string): string[] {
  const { flat, problem } = decodePairs(bytes);
  if (problem !== undefined)
    scope.report("malformed-pairs", "warning", `${call} got pairs that Envoy takes for none: ${problem}`);
  return flat;
}

/** The map as it may be read now. Asking for the request's headers when they are gone is worth a word. */
function readable(scope: KernelScope, type: number): HeaderMap | undefined {
  if (type > MapType.responseTrailers) return delivered(scope, type);
  const { context } = scope;
  const map = context.map(type);
  if (map === undefined && type === MapType.requestHeaders && context.requestMapGone) {
    const message = "the request headers were read when the request had gone on: Envoy has none any more";
    scope.reportOnce("request-map-gone", "request-map-gone", "warning", message);
  }
  return map;
}

function writable(scope: KernelScope, type: number): HeaderMap | undefined {
  return type > MapType.responseTrailers ? undefined : scope.context.mutableMap(type);
}

function changed(scope: KernelScope, type: number): void {
  if (type === MapType.requestHeaders) scope.context.clearRouteCache();
}

function delivered(scope: KernelScope, type: number): HeaderMap | undefined {
  const { delivery } = scope;
  switch (type) {
    case MapType.grpcInitialMetadata:
      return delivery?.grpcInitialMetadata;
    case MapType.grpcTrailingMetadata:
      return delivery?.grpcTrailingMetadata;
    case MapType.calloutResponseHeaders:
      return delivery?.calloutHeaders;
    default:
      return delivery?.calloutTrailers;
  }
}

function* entries(flat: readonly string[]): Generator<readonly [string, string]> {
  for (let at = 0; at < flat.length; at += 2) yield [flat[at] ?? "", flat[at + 1] ?? ""];
}

const LAST_MAP = MapType.calloutResponseTrailers;
const NOTHING: Uint8Array = latin1Bytes("");
