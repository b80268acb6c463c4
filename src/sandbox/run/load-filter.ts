import { didYouMean } from "../../domain/did-you-mean.ts";
import { usageError, WasmeError } from "../../domain/errors.ts";
import type { LogLevel } from "../../host/enums.ts";
import type { HostModule } from "../../host/host-module.ts";
import { loadModuleAsync } from "../../host/load-module.ts";
import { ModuleRefused } from "../../host/module-refused.ts";
import { type FailurePolicy, type PluginConfig, pluginConfig } from "../../host/plugin-config.ts";
import type { ProfileName } from "../../host/profile.ts";
import type { PropertyValue } from "../../host/stream-info.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";
import { requireFittingConfig } from "../../images/config-violations.ts";
import { readTextFile } from "../../platform/read-file.ts";
import type { ModuleSource } from "../module-source.ts";
import { streamInfo } from "../test/given.ts";
import type { Property } from "../test/model-values.ts";

/** How a filter is configured for a run. */
export interface FilterRequest {
  /** Text, or `@file`, which is read again at every start. */
  readonly config: string | undefined;
  readonly vmConfig: string | undefined;
  /** Default the first the image or the project names. */
  readonly rootId: string | undefined;
  readonly failurePolicy: FailurePolicy;
  readonly profile: ProfileName;
  readonly logLevel: LogLevel;
  readonly stubUnknown: boolean;
  /** `NAME=VALUE` each. */
  readonly properties: readonly string[];
  /** False: the configuration is handed over whatever its schema says. */
  readonly check: boolean;
}

/** A filter that can be started. */
export interface LoadedFilter {
  readonly module: HostModule;
  readonly plugin: PluginConfig;
}

/**
 * Checks and compiles the module and reads its configuration. Throws `HOST_MODULE_REFUSED` (incompatible) with Envoy's
 * words, `CONFIG_UNFIT` (usage) for a configuration that its schema refuses, and those of the files that are named.
 */
export async function loadFilter(source: ModuleSource, request: FilterRequest, cwd: string): Promise<LoadedFilter> {
  const read = async (value: string | undefined, what: string): Promise<string | undefined> =>
    value?.startsWith("@") === true ? await readTextFile(value.slice(1), { cwd, what }) : value;
  const configuration = await read(request.config, "--config");
  if (request.check) await requireFittingConfig(source.schema, configuration, source.name);
  const vmConfiguration = await read(request.vmConfig, "--vm-config");
  const rootId = request.rootId ?? source.rootIds[0] ?? "";
  const { profile, stubUnknown, failurePolicy } = request;
  return {
    module: await load(source, { profile, stubUnknown }),
    plugin: pluginConfig({ name: filterName(source), rootId, configuration, vmConfiguration, failurePolicy }),
  };
}

async function load(
  source: ModuleSource,
  options: { readonly profile: ProfileName; readonly stubUnknown: boolean },
): Promise<HostModule> {
  try {
    return await loadModuleAsync(source.bytes, options);
  } catch (error) {
    if (!(error instanceof ModuleRefused)) throw error;
    const [first] = error.problems;
    const stub = first?.code === "MODULE_UNKNOWN_IMPORT" && (first.subject ?? "").startsWith("env.proxy_");
    const check = `wasme check ${source.name}`;
    throw new WasmeError("incompatible", error.code, `${source.name} does not load: ${error.message}`, {
      hint: stub ? `${check}; --stub-unknown runs it all the same` : (first?.hint ?? check),
      details: { problems: error.problems },
      cause: error,
    });
  }
}

/** What logs and reports call it: `hello` for `ghcr.io/acme/hello:v1`, `build/hello.wasm` and `./hello`. */
function filterName({ name, kind }: ModuleSource): string {
  const last =
    name
      .replace(/[/\\]+$/u, "")
      .split(/[/\\]/u)
      .at(-1) ?? name;
  return kind === "image" ? last.replace(/[@:].*$/su, "") : last.replace(/\.wasm$/u, "");
}

/**
 * Properties given from outside. A value is of the type Envoy gives that name, else text; JSON like `{"int": 5}` says the
 * type outright. Throws `PROPERTY_INVALID` (usage).
 */
export function parseProperties(pairs: readonly string[]): ReadonlyMap<string, PropertyValue> {
  const properties: Record<string, Property> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw usageError("PROPERTY_INVALID", `--property ${JSON.stringify(pair)} is not NAME=VALUE`, {
        hint: "for example: --property source.address=10.0.0.1:4000",
      });
    }
    const value = pair.slice(at + 1);
    properties[pair.slice(0, at)] = value.startsWith("{") ? typedProperty(pair, value) : value;
  }
  const { overrides } = streamInfo({ properties }, () => "");
  return overrides ?? new Map();
}

function typedProperty(pair: string, value: string): Property {
  const parsed = tryParseJson(value);
  const keys = isObject(parsed) ? Object.keys(parsed) : [];
  const [key = ""] = keys;
  if (keys.length === 1 && TYPES.includes(key)) return parsed as Property;
  const meant = didYouMean(key, TYPES);
  throw usageError("PROPERTY_INVALID", `--property ${JSON.stringify(pair)} does not say one type and its value`, {
    hint: meant === undefined ? `write {"int": 5}; types: ${TYPES.join(", ")}` : `did you mean ${meant}?`,
  });
}

const TYPES: readonly string[] = [
  "string",
  "base64",
  "int",
  "uint",
  "double",
  "bool",
  "time",
  "duration",
  "map",
  "list",
];
