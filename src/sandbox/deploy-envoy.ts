import { resolve } from "node:path";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference } from "../domain/image-reference.ts";
import { writeFileAtomic } from "../platform/atomic-file.ts";
import { type DeployEnvoyDeps, type DeployEnvoyRequest, type EnvoyPlan, planEnvoy } from "./plan-envoy.ts";
import { formatBootstrap } from "./read-bootstrap.ts";
import { runEnvoy } from "./run-envoy.ts";

/** What was done. JSON-safe. */
export interface DeployEnvoyResult {
  readonly image: string;
  readonly moduleDigest: string;
  readonly id: string;
  /** HTTP connection managers that have the filter. */
  readonly connectionManagers: number;
  /** How Envoy ran, or `none` with `--out`. */
  readonly ran: "native" | "docker" | "podman" | "none";
  /** The file written, or `-`. */
  readonly out?: string;
  /** The bootstrap as text, with `--out -` only. */
  readonly bootstrap?: string;
}

/**
 * Puts a filter of the local store into an Envoy bootstrap, and runs an Envoy with it in the foreground until it ends
 * or the signal asks it to; with `out` the bootstrap is only written. Everything is checked before anything is
 * written or started. Throws `NO_CONNECTION_MANAGER` (not found) when the bootstrap has no place for the filter,
 * `BOOTSTRAP_INVALID`, `ENVOY_NOT_FOUND`, `ENVOY_FAILED`, the module's own problems, and what the store throws.
 */
export async function deployEnvoy(
  deps: DeployEnvoyDeps,
  request: DeployEnvoyRequest,
  events: EventSink = ignoreEvents,
): Promise<DeployEnvoyResult> {
  const plan = await planEnvoy(deps, request, events);
  const common = {
    image: formatReference(request.image),
    moduleDigest: plan.module.image.moduleDigest,
    id: plan.id,
    connectionManagers: plan.connectionManagers,
  };
  if (request.out !== undefined) return { ...common, ran: "none", ...(await writeOut(deps, plan, request.out)) };
  await runEnvoy(deps, plan, events);
  return { ...common, ran: plan.envoy?.kind === "container" ? plan.envoy.engine : "native" };
}

async function writeOut(
  deps: DeployEnvoyDeps,
  plan: EnvoyPlan,
  out: string,
): Promise<Pick<DeployEnvoyResult, "out" | "bootstrap">> {
  const text = await formatBootstrap(plan.bootstrapFor(await plan.module.file()), out);
  if (out === "-") return { out, bootstrap: text };
  const path = resolve(deps.cwd, out);
  await writeFileAtomic(path, text);
  return { out: path };
}
