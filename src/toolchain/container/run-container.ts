import type { EventSink } from "../../domain/events.ts";
import type { RunResult } from "../../platform/process-runner.ts";
import type { ToolchainDeps } from "../runner.ts";
import { type ContainerRun, runCall } from "./run-arguments.ts";

/**
 * Runs a container to its end and passes its lines on. On an abort the container is removed by its name, for ending the
 * client leaves it running; that is awaited, so that nothing is left behind. Rejects with the signal's reason.
 */
export async function runContainer(deps: ToolchainDeps, run: ContainerRun, events: EventSink): Promise<RunResult> {
  const { args, env } = runCall(run, deps.env);
  const { command } = run.engine;
  events({ type: "debug", message: [command, ...args].join(" ") });
  const remove = async (): Promise<void> => {
    // Removing alone asks it to end first, and podman waits ten seconds for that.
    for (const words of [
      ["kill", run.name],
      ["rm", "--force", run.name],
    ]) {
      await deps.exec(command, words, { env: deps.env, timeoutMs: REMOVE_MS }).catch(() => undefined);
    }
  };
  let removing: Promise<void> | undefined;
  const onAbort = (): void => void (removing = remove());
  deps.signal.addEventListener("abort", onAbort, { once: true });
  const hide = hider(run.env);
  try {
    const onLine = (line: string): void => events({ type: "output", line: hide(line) });
    const result = await deps.exec(command, args, { env, signal: deps.signal, maxOutput: MAX_OUTPUT, onLine });
    return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) };
  } finally {
    deps.signal.removeEventListener("abort", onAbort);
    await removing;
    // The client may have been about to create it when it was removed the first time.
    if (deps.signal.aborted) await remove();
  }
}

/** Takes passwords out of what a build prints. */
function hider(env: Readonly<Record<string, string>>): (text: string) => string {
  const words = Object.entries(env).flatMap(([key, value]) =>
    /PASSWORD|TOKEN/u.test(key) && value !== "" ? [value] : [],
  );
  return (text) => words.reduce((hidden, word) => hidden.replaceAll(word, "***"), text);
}

const REMOVE_MS = 30_000;
const MAX_OUTPUT = 64 * 1024 * 1024;
