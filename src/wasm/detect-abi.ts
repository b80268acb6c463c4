import { type AbiVersion, abiOfMarker } from "../domain/abi-version.ts";
import type { ModuleExport } from "./exports.ts";

/** Which ABI a module speaks, and the markers it exports (known or not), in export order. */
export interface DetectedAbi {
  readonly abi: AbiVersion | undefined;
  readonly markers: readonly string[];
}

/**
 * As proxies do it: the first *function* export with a known marker's name decides, whatever its type; exports of
 * other kinds and unknown versions are passed over.
 */
export function detectAbi(exports: readonly ModuleExport[]): DetectedAbi {
  const markers = exports.filter((item) => item.kind === "function" && abiOfMarker(item.name) !== undefined);
  let abi: AbiVersion | undefined;
  for (const marker of markers) {
    const version = abiOfMarker(marker.name);
    if (version !== undefined && version !== "unknown") {
      abi = version;
      break;
    }
  }
  return { abi, markers: markers.map((marker) => marker.name) };
}
