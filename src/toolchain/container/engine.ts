import { envValue } from "../../platform/env.ts";
import type { RunResult } from "../../platform/process-runner.ts";
import { findTool } from "../find-tool.ts";
import type { ToolchainDeps } from "../runner.ts";

/** A container engine that answers. */
export interface Engine {
  readonly kind: EngineKind;
  /** The client, absolute. */
  readonly command: string;
  /** Of the part that runs the containers: `27.3.1`. */
  readonly version: string;
  /** Whether the engine runs as the calling user: root in a container is that user then. */
  readonly rootless: boolean;
}

export type EngineKind = "docker" | "podman";

/** A client whose engine does not answer. */
export interface SilentEngine {
  readonly kind: EngineKind;
  readonly command: string;
  /** What it said instead, one line. */
  readonly said: string;
}

/** All that was found out about the engines of this machine. */
export interface EngineSurvey {
  /** The one that builds. */
  readonly engine: Engine | undefined;
  /** Those that were asked before it and did not answer. */
  readonly silent: readonly SilentEngine[];
}

/**
 * The container engine of this machine: Docker, else podman; podman alone when `WASME_USE_PODMAN` is set to anything.
 * `undefined` when there is none, or none that answers.
 */
export async function findEngine(deps: ToolchainDeps): Promise<Engine | undefined> {
  return (await surveyEngines(deps)).engine;
}

/**
 * Asks each engine in turn until one answers: a client alone builds nothing, so it is its daemon that has to tell its
 * version. An engine has ten seconds. Throws the signal's reason.
 */
export async function surveyEngines(deps: ToolchainDeps): Promise<EngineSurvey> {
  const silent: SilentEngine[] = [];
  for (const kind of wantedEngines(deps)) {
    const command = await findTool(deps.env, kind);
    if (command === undefined) continue;
    const answer = await askEngine(deps, kind, command);
    if ("version" in answer) return { engine: answer, silent };
    silent.push(answer);
  }
  return { engine: undefined, silent };
}

/** The engines that may be used, in the order they are asked. */
export function wantedEngines({ env }: Pick<ToolchainDeps, "env">): readonly EngineKind[] {
  return envValue(env, "WASME_USE_PODMAN") === undefined ? ["docker", "podman"] : ["podman"];
}

/** Whether an engine answers, and how it runs. */
async function askEngine(deps: ToolchainDeps, kind: EngineKind, command: string): Promise<Engine | SilentEngine> {
  if (kind === "podman") return await askPodman(deps, command);
  const server = await ask(deps, command, ["version", "--format", "{{.Server.Version}}"]);
  const version = versionIn(server.stdout);
  if (server.exitCode === 0 && version !== undefined) {
    const security = await ask(deps, command, ["info", "--format", "{{json .SecurityOptions}}"]);
    return { kind, command, version, rootless: /\bname=rootless\b/u.test(security.stdout) };
  }
  // Distributions give podman the name docker for those who are used to it.
  const client = await ask(deps, command, ["--version"]);
  if (/\bpodman\b/iu.test(client.stdout)) return await askPodman(deps, command);
  return { kind, command, said: saidBy(server) };
}

async function askPodman(deps: ToolchainDeps, command: string): Promise<Engine | SilentEngine> {
  const format = "{{.Version.Version}} {{.Host.Security.Rootless}}";
  const info = await ask(deps, command, ["info", "--format", format]);
  const [first = "", rootless] = info.stdout.trim().split(/\s+/u);
  const version = versionIn(first);
  if (info.exitCode !== 0 || version === undefined) return { kind: "podman", command, said: saidBy(info) };
  return { kind: "podman", command, version, rootless: rootless === "true" };
}

async function ask(deps: ToolchainDeps, command: string, args: readonly string[]): Promise<RunResult> {
  return await deps.exec(command, args, { env: deps.env, signal: deps.signal, timeoutMs: PATIENCE });
}

function versionIn(text: string): string | undefined {
  return /^\d+\.\d+\S*/u.exec(text.trim())?.[0];
}

function saidBy({ stdout, stderr, failure, exitCode }: RunResult): string {
  if (failure === "ETIMEDOUT") return `no answer within ${PATIENCE / 1000} s`;
  const line = `${stderr}\n${stdout}`.split("\n").findLast((text) => text.trim() !== "");
  return line?.trim() ?? failure ?? `exit code ${exitCode ?? "unknown"}`;
}

const PATIENCE = 10_000;
