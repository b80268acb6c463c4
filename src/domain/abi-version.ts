/** A released Proxy-Wasm ABI (spec: abi-versions/). */
export type AbiVersion = "0.1.0" | "0.2.0" | "0.2.1";

/** Every released ABI, oldest first. */
export const ABI_VERSIONS: readonly AbiVersion[] = ["0.1.0", "0.2.0", "0.2.1"];

const MARKER_PREFIX = "proxy_abi_version_";

/** The function a module exports to say which ABI it speaks; it is never called. */
export function abiMarker(abi: AbiVersion): string {
  return MARKER_PREFIX + abi.replaceAll(".", "_");
}

/** The ABI an export name stands for: a known version, `unknown` for a marker of another version, else `undefined`. */
export function abiOfMarker(exportName: string): AbiVersion | "unknown" | undefined {
  if (!exportName.startsWith(MARKER_PREFIX)) return undefined;
  return ABI_VERSIONS.find((abi) => abiMarker(abi) === exportName) ?? "unknown";
}

/** How `abiVersions` of a runtime config names an ABI: `v0.2.1`. */
export function abiLabel(abi: AbiVersion): string {
  return `v${abi}`;
}
