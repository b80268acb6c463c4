import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EventSink } from "../domain/events.ts";
import type { JsonObject } from "../domain/json.ts";
import { modulePath } from "../mesh/module-path.ts";
import { envoyFailure, rememberLines } from "./envoy-failure.ts";
import { addressesOf, forContainer } from "./listeners.ts";
import { BOOTSTRAP_FILE, type CommandLine, containerCommand, type LocalEnvoy, nativeCommand } from "./local-envoy.ts";
import type { DeployEnvoyDeps, EnvoyPlan } from "./plan-envoy.ts";
import { runForeground } from "./run-foreground.ts";

/**
 * Runs the planned Envoy until it ends or the signal asks it to, and hands on its lines. Throws `ENVOY_FAILED`,
 * `CONTAINER_FAILED` or `PROGRAM_NOT_STARTED` (failed), and the signal's reason.
 */
export async function runEnvoy(deps: DeployEnvoyDeps, plan: EnvoyPlan, events: EventSink): Promise<void> {
  const { envoy } = plan;
  if (envoy === undefined) return;
  const folder = await mkdtemp(join(deps.paths.tmp, "wasme-envoy-"));
  const memory = rememberLines();
  const onLine = (line: string): void => {
    memory.add(line);
    events({ type: "output", line });
  };
  try {
    const command = await prepare(plan, envoy, folder);
    events({ type: "debug", message: [command.program, ...command.args].join(" ") });
    events({ type: "milestone", message: greeting(plan, envoy) });
    const { cwd, env, signal } = deps;
    const result = await runForeground(command.program, command.args, { cwd, env, signal, onLine });
    signal?.throwIfAborted();
    const engine = envoy.kind === "container" ? envoy.engine : undefined;
    if (result.exitCode !== 0) throw envoyFailure(result, memory.lines(), engine);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the bootstrap file. Inside a container another user may read it, so it is opened up there. */
async function prepare(plan: EnvoyPlan, envoy: LocalEnvoy, folder: string): Promise<CommandLine> {
  const moduleFile = await plan.module.file();
  const bootstrapFile = join(folder, BOOTSTRAP_FILE);
  const write = (bootstrap: JsonObject, mode: number): Promise<void> =>
    writeFile(bootstrapFile, JSON.stringify(bootstrap), { mode });
  if (envoy.kind === "native") {
    await write(plan.bootstrapFor(moduleFile), 0o600);
    return nativeCommand(envoy.program, bootstrapFile, plan.envoyArgs);
  }
  const moduleTarget = modulePath(plan.module.image.moduleDigest);
  const { bootstrap, ports } = forContainer(plan.bootstrapFor(moduleTarget));
  await write(bootstrap, 0o644);
  await chmod(folder, 0o755);
  const { dockerArgs: engineArgs, envoyArgs, hostAccess } = plan;
  return containerCommand(envoy, { bootstrapFile, moduleFile, moduleTarget, ports, hostAccess, engineArgs, envoyArgs });
}

function greeting(plan: EnvoyPlan, envoy: LocalEnvoy): string {
  const where = envoy.kind === "native" ? envoy.program : `${envoy.image} in ${envoy.engine}`;
  const places = addressesOf(plan.bootstrapFor("")).map(
    ({ name, address, port }) => `${name} http://${address}:${port}`,
  );
  return `Running ${where} with filter ${plan.id}: ${places.join(", ")} (Ctrl-C ends it)`;
}
