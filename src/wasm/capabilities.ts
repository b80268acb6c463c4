import { type CapabilityGroup, hostImport, PROXY_MODULE } from "./host-imports.ts";
import { HIGRESS } from "./hosts/host-history.ts";
import type { ModuleImport } from "./imports.ts";

/** What a module may do to its host: the host calls it imports, by group, in the order groups first appear. */
export interface Capability {
  /** `unknown` gathers imports no proxy has. */
  readonly group: CapabilityGroup | "unknown";
  /** Names without their module, each once. */
  readonly functions: readonly string[];
}

/** Groups the imported functions. Some SDKs import everything whatever the filter uses, so this is an upper bound. */
export function capabilitiesOf(imports: readonly ModuleImport[]): readonly Capability[] {
  const groups = new Map<CapabilityGroup | "unknown", Set<string>>();
  for (const item of imports) {
    if (item.kind !== "function") continue;
    const group = (hostImport(item.module, item.name) ?? oneHostImport(item.module, item.name))?.group ?? "unknown";
    const functions = groups.get(group) ?? new Set();
    groups.set(group, functions.add(group === "unknown" ? `${item.module}.${item.name}` : item.name));
  }
  return [...groups].map(([group, functions]) => ({ group, functions: [...functions] }));
}

/** A function that only one host has: it is named like the ABI's. */
function oneHostImport(module: string, name: string): { readonly group: CapabilityGroup } | undefined {
  return module === PROXY_MODULE ? HIGRESS.own.get(name) : undefined;
}
