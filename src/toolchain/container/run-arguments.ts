import { usageError } from "../../domain/errors.ts";
import { type Env, envValue } from "../../platform/env.ts";
import type { Engine } from "./engine.ts";
import { CACHE, OUTPUT, PROJECT_CACHE, WORKSPACE } from "./plan.ts";

/** One container. */
export interface ContainerRun {
  readonly engine: Engine;
  /** Its name, by which it is stopped. */
  readonly name: string;
  readonly image: string;
  readonly platform: string | undefined;
  readonly source: string;
  /** Whether it may write to `source`: a copy. */
  readonly writable: boolean;
  /** An empty folder for the module. */
  readonly output: string;
  readonly cache: string;
  readonly projectCache: string;
  readonly env: Readonly<Record<string, string>>;
  /** A script for the image's shell; the image's own program when absent. */
  readonly script: string | undefined;
  readonly network: boolean;
}

/** How the client is called: arguments, and its whole environment. */
export interface EngineCall {
  readonly args: readonly string[];
  readonly env: Env;
}

/**
 * The call that runs a container as the calling user, whose folders it sees and no others. Proxies, logins and where
 * packages come from are handed on by name: their values are in the environment of the client, and not in its arguments.
 * Throws `PATH_UNFIT` (usage) for folders that an engine cannot be told.
 */
export function runCall(run: ContainerRun, env: Env): EngineCall {
  const { engine, name, image, platform, writable, script, network } = run;
  const secret = Object.entries(run.env).filter(([key]) => SECRET.test(key));
  const plain = Object.entries({ ...HOME, ...run.env }).filter(([key]) => !SECRET.test(key));
  const byName = [...handedOn(env), ...secret.map(([key]) => key)];
  const args = [
    "run",
    "--rm",
    "--name",
    name,
    ...userOf(engine),
    // Labels of SELinux would have to be changed on the user's own files.
    "--security-opt",
    "label=disable",
    ...(network ? [] : ["--network", "none"]),
    ...(platform === undefined ? [] : ["--platform", platform]),
    ...mount(run.source, WORKSPACE, writable),
    ...mount(run.output, OUTPUT, true),
    ...mount(run.cache, CACHE, true),
    ...mount(run.projectCache, PROJECT_CACHE, true),
    "--workdir",
    WORKSPACE,
    ...plain.flatMap(([key, value]) => ["-e", `${key}=${value}`]),
    ...byName.flatMap((key) => ["-e", key]),
    image,
    ...(script === undefined ? [] : ["sh", "-c", script]),
  ];
  return { args, env: { ...env, ...Object.fromEntries(secret) } };
}

/** A home that can be written, and a name for tools that ask for one: the user is not known inside. */
const HOME: Readonly<Record<string, string>> = { HOME: `${CACHE}/home`, USER: "wasme", LOGNAME: "wasme" };

const SECRET = /PASSWORD|TOKEN|SECRET|^NPM_(?:USERNAME|EMAIL)$/u;

/** Variables of the user that a build in a container needs as much as one outside. */
const HANDED_ON: readonly string[] = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "npm_config_registry",
  "NPM_CONFIG_REGISTRY",
  "NPM_TOKEN",
  "NODE_AUTH_TOKEN",
  "GOPROXY",
  "GOPRIVATE",
  "GONOPROXY",
  "GONOSUMDB",
  "GOSUMDB",
  "RUSTUP_DIST_SERVER",
  "RUSTUP_UPDATE_ROOT",
];

function handedOn(env: Env): readonly string[] {
  return HANDED_ON.filter((name) => envValue(env, name) !== undefined);
}

/**
 * Who the container's user is, so that the files belong to the caller: the same numbers where the engine runs as root;
 * where it runs as the caller its root is the caller (Docker), or the numbers are kept on request (podman).
 */
function userOf({ kind, rootless }: Engine): readonly string[] {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (uid === undefined || gid === undefined) return [];
  if (rootless && kind === "docker") return ["--user", "0:0"];
  return [...(rootless ? ["--userns", "keep-id"] : []), "--user", `${uid}:${gid}`];
}

/** Unlike `-v`, this makes no folder for root where there is none, and takes colons. */
function mount(source: string, target: string, writable: boolean): readonly string[] {
  if (/[,"\n]/u.test(source)) {
    throw usageError(
      "PATH_UNFIT",
      `${JSON.stringify(source)} cannot be mounted into a container: it has a comma or a quote`,
      {
        hint: "use a folder without them",
      },
    );
  }
  return ["--mount", `type=bind,source=${source},target=${target}${writable ? "" : ",readonly"}`];
}
