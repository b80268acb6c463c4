import { dirname } from "node:path";
import { usageError } from "../domain/errors.ts";
import { type Env, envValue } from "../platform/env.ts";
import { findProgram, isExecutable } from "./find-program.ts";
import type { PublishedPort } from "./listeners.ts";

/** The Envoy that will run: a program of this machine, or one in a container. */
export type LocalEnvoy =
  | { readonly kind: "native"; readonly program: string }
  | {
      readonly kind: "container";
      readonly engine: "docker" | "podman";
      readonly program: string;
      readonly image: string;
    };

/** Taken when the user names none; current and multi-platform. */
export const DEFAULT_ENVOY_IMAGE = "docker.io/envoyproxy/envoy:v1.40-latest";

/** A program and its arguments. */
export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * Finds an Envoy: `ENVOY_PATH`, then `envoy` in `PATH`, then a container engine (docker, else podman;
 * `WASME_USE_PODMAN` asks for podman). An image named by the user means a container at once.
 * Throws `ENVOY_PATH_INVALID` or `ENVOY_NOT_FOUND` (usage).
 */
export async function findEnvoy(env: Env, image: string | undefined): Promise<LocalEnvoy> {
  if (image === undefined) {
    const native = await findNative(env);
    if (native !== undefined) return { kind: "native", program: native };
  }
  const engines =
    envValue(env, "WASME_USE_PODMAN") === undefined ? (["docker", "podman"] as const) : (["podman"] as const);
  for (const engine of engines) {
    const program = await findProgram(env, engine);
    if (program !== undefined) return { kind: "container", engine, program, image: image ?? DEFAULT_ENVOY_IMAGE };
  }
  const wanted =
    image === undefined
      ? `neither envoy nor ${engines.join(" nor ")} was found in PATH`
      : `${engines.join(" or ")} is needed to run ${image}, and was not found in PATH`;
  throw usageError("ENVOY_NOT_FOUND", wanted, {
    hint: "install Envoy or name it in ENVOY_PATH, install a container engine, or only write the bootstrap with --out FILE",
  });
}

/** How Envoy is started natively. `extra` are the user's own arguments. */
export function nativeCommand(program: string, bootstrapFile: string, extra: readonly string[]): CommandLine {
  return { program, args: envoyArguments(bootstrapFile, extra) };
}

/** What a container needs to see. */
export interface ContainerRun {
  readonly bootstrapFile: string;
  /** The module's file here, and where the bootstrap says that it is. */
  readonly moduleFile: string;
  readonly moduleTarget: string;
  readonly ports: readonly PublishedPort[];
  /** The bootstrap reaches services of this machine. */
  readonly hostAccess: boolean;
  readonly engineArgs: readonly string[];
  readonly envoyArgs: readonly string[];
}

/** Name by which a container reaches the machine it runs on. */
export const HOST_NAME = "host.docker.internal";

/** How Envoy is started in a container: files are mounted read-only, ports published, and it is removed at its end. */
export function containerCommand(envoy: Extract<LocalEnvoy, { kind: "container" }>, run: ContainerRun): CommandLine {
  const mount = (source: string, target: string): string[] => ["-v", `${source}:${target}:ro`];
  const args = [
    "run",
    "--rm",
    "--entrypoint",
    "envoy",
    ...(envoy.engine === "podman" ? ["--security-opt", "label=disable"] : []),
    ...(run.hostAccess ? ["--add-host", `${HOST_NAME}:host-gateway`] : []),
    ...mount(dirname(run.bootstrapFile), CONTAINER_CONFIG),
    ...mount(run.moduleFile, run.moduleTarget),
    ...run.ports.flatMap((port) => ["-p", publish(port)]),
    ...run.engineArgs,
    envoy.image,
    ...envoyArguments(`${CONTAINER_CONFIG}/${BOOTSTRAP_FILE}`, run.envoyArgs),
  ];
  return { program: envoy.program, args };
}

/** Name of the bootstrap file in its folder. */
export const BOOTSTRAP_FILE = "envoy.json";
const CONTAINER_CONFIG = "/etc/wasme";

async function findNative(env: Env): Promise<string | undefined> {
  const named = envValue(env, "ENVOY_PATH");
  if (named === undefined) return await findProgram(env, "envoy");
  if (await isExecutable(named)) return named;
  throw usageError("ENVOY_PATH_INVALID", `ENVOY_PATH is ${named}, which is not an executable file`, {
    hint: "correct or unset the variable",
  });
}

/** Quiet but for the filter's own log lines, unless the user says otherwise: Envoy takes each flag only once. */
function envoyArguments(bootstrapFile: string, extra: readonly string[]): readonly string[] {
  const given = (...flags: readonly string[]): boolean =>
    extra.some((word) => flags.some((flag) => word === flag || word.startsWith(`${flag}=`)));
  return [
    "-c",
    bootstrapFile,
    ...(given("--disable-hot-restart", "--base-id", "--use-dynamic-base-id") ? [] : ["--disable-hot-restart"]),
    ...(given("-l", "--log-level") ? [] : ["-l", "warning"]),
    ...(given("--component-log-level") ? [] : ["--component-log-level", "wasm:info"]),
    ...extra,
  ];
}

function publish({ host, port }: PublishedPort): string {
  if (host === undefined) return `${port}:${port}`;
  return `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}:${port}`;
}
