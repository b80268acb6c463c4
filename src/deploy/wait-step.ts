import { assertNever } from "../domain/errors.ts";
import type { Run } from "./run.ts";
import { checkVolumes } from "./check-volumes.ts";
import type { Wait } from "./plan.ts";
import { lookForModule, waitForModule } from "./wait-for-module.ts";
import { lookAtObject, waitForObject } from "./wait-for-object.ts";
import { lookReady, waitReady } from "./wait-ready.ts";

/** Sleeps until the wait is over. Throws as the waits do. */
export async function waitThrough(run: Run, step: Wait): Promise<void> {
  const { deps } = run;
  switch (step.type) {
    case "wait-module":
      return waitForModule(deps, step, run.written.has(step.entry.key));
    case "wait-rollout":
      return waitReady(deps, step);
    case "wait-object":
      return waitForObject(deps, step);
    case "check-volumes":
      return checkVolumes(deps, step);
    default:
      return assertNever(step);
  }
}

/** Looks once: `undefined` when the wait is over, else how far it is. Throws what will not get better by waiting. */
export async function waitOnce(run: Run, step: Wait): Promise<string | undefined> {
  const { deps } = run;
  switch (step.type) {
    case "wait-module":
      return lookForModule(deps, step, run.written.has(step.entry.key));
    case "wait-rollout":
      return lookReady(deps, step);
    case "wait-object":
      return lookAtObject(deps, step);
    case "check-volumes":
      await checkVolumes(deps, step);
      return undefined;
    default:
      return assertNever(step);
  }
}
