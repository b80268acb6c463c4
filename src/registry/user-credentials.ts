import { resolve } from "node:path";
import type { EventSink } from "../domain/events.ts";
import type { Env } from "../platform/env.ts";
import { resolvePaths } from "../platform/paths.ts";
import { runProcess } from "../platform/process-runner.ts";
import type { CredentialSource } from "./credential.ts";
import { createCredentials } from "./credentials.ts";

/** Whose credentials are looked for. */
export interface UserCredentialsOptions {
  /** Mostly `process.env`: says where Docker's and other tools' files are. */
  readonly env: Env;
  /** Told of a credential helper that does not work. */
  readonly events?: EventSink;
  /** Ends a helper that is running. */
  readonly signal?: AbortSignal;
}

/**
 * The credentials of this machine's user, from where Docker, Podman and wasme keep them, credential helpers included:
 * {@link createCredentials} with everything it needs, for programs that use the client as a library.
 */
export function userCredentials(options: UserCredentialsOptions): CredentialSource {
  return createCredentials({ ...options, paths: resolvePaths(options.env, resolve(".")), exec: runProcess });
}
