import { type PluginConfig, pluginConfig } from "../../host/plugin-config.ts";
import type { ReadBytes } from "./matchers.ts";
import type { PlannedFilter } from "./planned-case.ts";
import { settingsBytes } from "./values.ts";

/** What a filter's settings mean to the host; `name` is the one it has when they give none. */
export function filterConfig(
  { settings, rootId }: PlannedFilter,
  { readBytes, name }: { readonly readBytes: ReadBytes; readonly name: string },
): PluginConfig {
  return pluginConfig({
    name: settings.name ?? name,
    rootId: settings.rootId ?? rootId,
    configuration: settingsBytes(settings.config, readBytes),
    vmId: settings.vmId,
    vmConfiguration: settingsBytes(settings.vmConfig, readBytes),
    environment: new Map(Object.entries(settings.env ?? {}).map(([key, value]) => [key, String(value)])),
    allowedCapabilities: settings.capabilities === undefined ? undefined : new Set(settings.capabilities),
    failurePolicy: settings.failurePolicy,
    allowOnHeadersStopIteration: settings.allowOnHeadersStopIteration,
  });
}
