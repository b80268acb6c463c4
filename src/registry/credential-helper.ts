import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { redact } from "../domain/redact.ts";
import type { Env } from "../platform/env.ts";
import type { ProcessRunner } from "../platform/process-runner.ts";
import { basicCredential, TOKEN_USER } from "./auth-entry.ts";
import type { Credential } from "./credential.ts";

/** A program `docker-credential-NAME` that keeps secrets. */
export interface CredentialHelper {
  /** The credential under a key; `undefined` when it has none. */
  get(key: string, signal?: AbortSignal): Promise<Credential | undefined>;
  store(key: string, credential: Credential, signal?: AbortSignal): Promise<void>;
  /** Removes what is there; nothing there is no error. */
  erase(key: string, signal?: AbortSignal): Promise<void>;
}

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 1024 * 1024;
const NOT_FOUND = /credentials not found/iu;
const WHY: Readonly<Record<string, string>> = {
  ETIMEDOUT: `it ran for more than ${TIMEOUT_MS / 1000} s`,
  EMAXBUFFER: `it printed more than ${MAX_OUTPUT} bytes`,
};

/**
 * The helper of that name, found in PATH and run without a shell, at most 30 s. Throws `CREDENTIAL_HELPER_INVALID`
 * (usage) for a name that is no plain word; its methods throw `CREDENTIAL_HELPER_MISSING` and `CREDENTIAL_HELPER_FAILED`
 * (failed). Nothing it prints is ever shown, but the message of a failure.
 */
export function credentialHelper(
  name: string,
  deps: { readonly exec: ProcessRunner; readonly env: Env; readonly platform?: NodeJS.Platform },
): CredentialHelper {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/u.test(name)) {
    throw new WasmeError("usage", "CREDENTIAL_HELPER_INVALID", `${JSON.stringify(name)} is not a credential helper`, {
      hint: "correct credsStore and credHelpers in Docker's config.json",
    });
  }
  const program = `docker-credential-${name}`;
  const run = async (verb: string, input: string, signal: AbortSignal | undefined): Promise<string | undefined> => {
    const options = { env: deps.env, input, timeoutMs: TIMEOUT_MS, maxOutput: MAX_OUTPUT, ...(signal && { signal }) };
    const result = await deps.exec(await locate(program, deps), [verb], options);
    if (result.exitCode === 0) return result.stdout;
    if (result.failure === "ENOENT" || result.failure === "EACCES") throw missing(program);
    if (NOT_FOUND.test(result.stdout)) return undefined;
    throw failed(program, verb, WHY[result.failure ?? ""] ?? result.stdout);
  };
  return {
    get: async (key, signal) => {
      const output = await run("get", key, signal);
      return output === undefined ? undefined : parseAnswer(program, output);
    },
    store: async (key, credential, signal) => {
      const output = await run("store", JSON.stringify(answerFor(key, credential)), signal);
      if (output === undefined) throw failed(program, "store", "it keeps nothing");
    },
    erase: async (key, signal) => {
      await run("erase", key, signal);
    },
  };
}

/** What to run. Windows looks into the working directory first unless it is told the whole path. */
async function locate(
  program: string,
  { env, platform = process.platform }: { readonly env: Env; readonly platform?: NodeJS.Platform },
): Promise<string> {
  if (platform !== "win32") return program;
  const { findInPath } = await import("./installed-helper.ts");
  const found = await findInPath(program, env, platform);
  if (found === undefined) throw missing(program);
  return found;
}

function parseAnswer(program: string, output: string): Credential | undefined {
  const answer = tryParseJson(output);
  const { Username: username, Secret: secret } = isObject(answer) ? answer : {};
  if (typeof username !== "string" || typeof secret !== "string")
    throw failed(program, "get", "it answered no credential");
  if (secret === "") return undefined;
  return { ...basicCredential(username, secret), source: program };
}

function answerFor(key: string, credential: Credential): Readonly<Record<string, string>> {
  if (credential.kind === "basic")
    return { ServerURL: key, Username: credential.username, Secret: credential.password };
  return { ServerURL: key, Username: TOKEN_USER, Secret: credential.token };
}

function missing(program: string): WasmeError {
  return new WasmeError("failed", "CREDENTIAL_HELPER_MISSING", `the credential helper ${program} is not in PATH`, {
    hint: `install ${program}, or take it out of Docker's config.json`,
  });
}

/** Helpers say why on stdout; what looks like an answer may hold a secret. */
function failed(program: string, verb: string, said: string): WasmeError {
  const line = said.trim().split("\n", 1)[0]?.slice(0, 200) ?? "";
  const why = line === "" || /[{}]/u.test(said) ? "it gave no reason" : redact(line);
  const message = `the credential helper ${program} failed to ${verb}: ${why}`;
  return new WasmeError("failed", "CREDENTIAL_HELPER_FAILED", message, {
    hint: "try it by hand, or see its own documentation",
  });
}
