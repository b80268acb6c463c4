import { readFile } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { errnoOf, usageError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { type Env, envValue } from "../platform/env.ts";
import { mergeKubeconfigs, type RawKubeconfig } from "./merge-kubeconfig.ts";

/** What picks the cluster: the flags, the environment, the folder relative paths start from. */
export interface KubeconfigSource {
  /** `--kubeconfig`. */
  readonly file?: string | undefined;
  /** `--context`. */
  readonly context?: string | undefined;
  readonly env: Env;
  readonly cwd: string;
}

/** Where a pod finds its own credentials. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Finds and merges kubeconfig files the way kubectl does: `--kubeconfig`, else every existing file of `KUBECONFIG`
 * (the first to name something wins), else `~/.kube/config`, else the service account of the pod we run in.
 * Paths in it come back absolute. Throws `KUBECONFIG_MISSING`, `KUBECONFIG_INVALID` or `KUBE_CONTEXT_NOT_FOUND`
 * (all usage).
 */
export async function loadKubeconfig(source: KubeconfigSource): Promise<RawKubeconfig> {
  const files = await readAll(source);
  const merged = files.length > 0 ? mergeKubeconfigs(files) : await inCluster(source.env);
  if (merged === undefined) throw missing(source);
  return pickContext(merged, source.context);
}

async function readAll(source: KubeconfigSource): Promise<RawKubeconfig[]> {
  if (source.file !== undefined) {
    const path = resolve(source.cwd, source.file);
    const only = await readOne(path);
    if (only === undefined) throw usageError("KUBECONFIG_MISSING", `the kubeconfig ${path} does not exist`);
    return [only];
  }
  const listed = envValue(source.env, "KUBECONFIG");
  const home = envValue(source.env, "HOME") ?? envValue(source.env, "USERPROFILE");
  const usual = home === undefined ? [] : [join(home, ".kube", "config")];
  const paths = listed === undefined ? usual : listed.split(delimiter).filter((path) => path !== "");
  const read = await Promise.all(paths.map((path) => readOne(resolve(source.cwd, path))));
  return read.filter((config) => config !== undefined);
}

/** `undefined` when the file does not exist: kubectl skips those of a list. */
async function readOne(path: string): Promise<RawKubeconfig | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw usageError("KUBECONFIG_INVALID", `the kubeconfig ${path} cannot be read (${errnoOf(error) ?? "unknown"})`, {
      cause: error,
    });
  });
  if (text === undefined) return undefined;
  if (text.length > MAX_BYTES) throw broken(path, "it is larger than 16 MiB");
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw broken(path, "it is not YAML", error);
  }
  if (value === null) return {};
  if (!isObject(value)) throw broken(path, "it is not a mapping");
  return withAbsolutePaths(value, dirname(path));
}

/** Relative file names in a kubeconfig are relative to the file they stand in. */
function withAbsolutePaths(config: RawKubeconfig, folder: string): RawKubeconfig {
  const fix = (list: unknown, inner: string, keys: readonly string[]): unknown => {
    if (!Array.isArray(list)) return list;
    return list.map((entry: unknown) => {
      if (!isObject(entry) || !isObject(entry[inner])) return entry;
      const body = { ...entry[inner] };
      for (const key of keys) {
        const path = body[key];
        if (typeof path === "string" && path !== "" && !isAbsolute(path)) body[key] = join(folder, path);
      }
      const { exec } = body;
      if (isObject(exec)) body["exec"] = { ...exec, command: absoluteCommand(exec["command"], folder) };
      return { ...entry, [inner]: body };
    });
  };
  return {
    ...config,
    clusters: fix(config["clusters"], "cluster", ["certificate-authority"]),
    users: fix(config["users"], "user", ["client-certificate", "client-key", "tokenFile"]),
  };
}

/** A bare name is looked up in PATH; one with a folder is relative to the kubeconfig, as for kubectl. */
function absoluteCommand(command: unknown, folder: string): unknown {
  if (typeof command !== "string" || isAbsolute(command) || !/[/\\]/u.test(command)) return command;
  return join(folder, command);
}

async function inCluster(env: Env): Promise<RawKubeconfig | undefined> {
  const host = envValue(env, "KUBERNETES_SERVICE_HOST");
  const port = envValue(env, "KUBERNETES_SERVICE_PORT");
  if (host === undefined || port === undefined) return undefined;
  const namespace = await readFile(join(SERVICE_ACCOUNT, "namespace"), "utf8").catch(() => undefined);
  if (namespace === undefined) return undefined;
  const name = "in-cluster";
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    clusters: [{ name, cluster: { server, "certificate-authority": join(SERVICE_ACCOUNT, "ca.crt") } }],
    users: [{ name, user: { tokenFile: join(SERVICE_ACCOUNT, "token") } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: namespace.trim() } }],
    "current-context": name,
  };
}

function pickContext(config: RawKubeconfig, wanted: string | undefined): RawKubeconfig {
  const contexts = Array.isArray(config["contexts"]) ? config["contexts"] : [];
  const names = contexts.flatMap((entry: unknown) => (isObject(entry) ? [String(entry["name"])] : []));
  const current = wanted ?? config["current-context"];
  if (typeof current !== "string" || current === "") {
    throw usageError("KUBE_CONTEXT_NOT_FOUND", "the kubeconfig has no current context", {
      hint: names.length === 0 ? "it names no context at all" : `pass --context, one of: ${names.join(", ")}`,
    });
  }
  if (names.includes(current)) return { ...config, "current-context": current };
  throw usageError("KUBE_CONTEXT_NOT_FOUND", `the kubeconfig has no context ${JSON.stringify(current)}`, {
    hint: names.length === 0 ? "it names no context at all" : `contexts there: ${names.join(", ")}`,
  });
}

function missing(source: KubeconfigSource): Error {
  const listed = envValue(source.env, "KUBECONFIG");
  const where = listed === undefined ? "there is no ~/.kube/config" : `no file named by KUBECONFIG (${listed}) exists`;
  return usageError("KUBECONFIG_MISSING", `no kubeconfig: ${where}`, {
    hint: "pass --kubeconfig FILE, or set KUBECONFIG",
  });
}

function broken(path: string, why: string, cause?: unknown): Error {
  return usageError("KUBECONFIG_INVALID", `the kubeconfig ${path} is broken: ${why}`, { cause });
}
