import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../src/store/image-store.ts";
import type { AuthScript } from "./fault-auth.ts";
import { storeTestImage, type TestImage } from "./fault-image.ts";
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from "./fault-registry.ts";
import { spawnCli } from "./run-cli.ts";
import { makeTempDir } from "./temp-dir.ts";

/** One run of the program against a registry with faults. */
export interface FaultRun {
  readonly way: "push" | "pull";
  readonly image: TestImage;
  /** Breaks the registry. */
  readonly script: (registry: FaultRegistry) => void;
  /** Credentials are in Docker's config file. */
  readonly auth?: AuthScript | undefined;
  readonly registry?: FaultRegistryOptions | undefined;
  readonly args?: readonly string[] | undefined;
  /** It is killed after so long. Milliseconds. */
  readonly limitMs: number;
}

/** How it ended, and what is there then. */
export interface FaultOutcome {
  /** `ok`, `HANG`, or the code of the error. */
  readonly outcome: string;
  readonly code: number | null;
  readonly seconds: number;
  readonly stdout: string;
  readonly error: { readonly code?: string; readonly message?: string; readonly hint?: string };
  /** Of the registry and the other origin, in order. */
  readonly requests: FaultRegistry["requests"];
  /** What is wrong with either store: content that is not what its name says, drafts, names without their content. */
  readonly faults: readonly string[];
  /** True when the target has the image under its name, byte for byte. */
  readonly arrived: boolean;
  /** Paths that were asked for with credentials at the other origin. */
  readonly leaks: readonly string[];
  /** Upload sessions the program knew of and left open. */
  readonly openUploads: number;
}

const REPOSITORY = "demo/filter";

/** Pushes or pulls an image as a user would: `bin/wasme.js` in a process of its own, real time, real files. */
export async function runAgainstFaults(run: FaultRun): Promise<FaultOutcome> {
  const home = makeTempDir("wasme-fault-run-");
  const registry = await startFaultRegistry(run.auth, run.registry);
  try {
    const local = join(home, ".wasme", "images");
    const reference = `${registry.host}/${REPOSITORY}:v1`;
    const target = run.way === "push" ? registry.store.dir : local;
    const name = run.way === "push" ? `registry/${REPOSITORY}:v1` : reference;
    if (run.way === "push") await storeTestImage(openStore(local), run.image, reference);
    else await storeTestImage(registry.store, run.image, `registry/${REPOSITORY}:v1`);
    logIn(home, registry.host, run.auth);
    run.script(registry);
    const start = performance.now();
    const ended = await runLimited([run.way, reference, "-o", "json", ...(run.args ?? [])], home, run.limitMs);
    const error = errorOf(ended.stderr);
    const away = registry.requests.filter(({ origin }) => origin === "elsewhere");
    return {
      ...ended,
      outcome: ended.hung ? "HANG" : ended.code === 0 ? "ok" : (error.code ?? `exit ${ended.code ?? "by signal"}`),
      seconds: (performance.now() - start) / 1000,
      error,
      requests: [...registry.requests],
      faults: [...wrongFiles(local), ...wrongFiles(registry.store.dir)],
      arrived: hasImage(target, name, run.image),
      leaks: away.filter(({ headers }) => hasSecret(headers)).map(({ path }) => path),
      openUploads: (await registry.openUploads()).length,
    };
  } finally {
    await registry.close();
    rmSync(home, { recursive: true, force: true });
  }
}

/** What is wrong in a store on disk, found without any code of ours: hashes of files, drafts, files out of place. */
export function wrongFiles(dir: string): readonly string[] {
  return readFiles(dir).flatMap(({ path, bytes }) => {
    const [, algorithm = "", hex] = /^blobs\/(sha256|sha512)\/([a-f0-9]{64,128})$/u.exec(path) ?? [];
    if (hex !== undefined) return hash(algorithm, bytes) === hex ? [] : [`${path} holds other content`];
    return KNOWN_FILES.has(path) ? [] : [`${path} is left behind`];
  });
}

/** True when a store on disk has the image under a name, whole; read without any code of ours. */
export function hasImage(dir: string, name: string, image: TestImage): boolean {
  if (entriesIn(dir).find((each) => each.annotations?.[NAME] === name)?.digest !== image.manifestDescriptor.digest) {
    return false;
  }
  const wanted = [
    [image.manifestDescriptor.digest, image.manifest],
    [image.configDescriptor.digest, image.config],
    [image.moduleDescriptor.digest, image.module],
  ] as const;
  return wanted.every(([digest, bytes]) => readIfThere(join(dir, "blobs", digest.replace(":", "/")))?.equals(bytes));
}

/** Names in a store on disk. */
export function namesIn(dir: string): readonly string[] {
  return entriesIn(dir)
    .map((each) => each.annotations?.[NAME] ?? "")
    .toSorted();
}

/** What a name in a store on disk leads to. */
export function digestOfName(dir: string, name: string): string | undefined {
  return entriesIn(dir).find((each) => each.annotations?.[NAME] === name)?.digest;
}

function entriesIn(dir: string): readonly Entry[] {
  const text = readIfThere(join(dir, "index.json"))?.toString() ?? "{}";
  return (JSON.parse(text) as { manifests?: readonly Entry[] }).manifests ?? [];
}

interface Entry {
  readonly digest?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const NAME = "org.opencontainers.image.ref.name";
const KNOWN_FILES: ReadonlySet<string> = new Set(["index.json", "oci-layout"]);

function readFiles(dir: string): readonly { readonly path: string; readonly bytes: Buffer }[] {
  if (!existsSync(dir)) return [];
  const files = readdirSync(dir, { recursive: true, encoding: "utf8", withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  return files.flatMap((each) => {
    const path = join(each.parentPath, each.name);
    const bytes = readIfThere(path);
    return bytes === undefined ? [] : [{ path: path.slice(dir.length + 1), bytes }];
  });
}

/** What a registry is tidying up just now is gone a moment later. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function runLimited(
  args: readonly string[],
  home: string,
  limitMs: number,
): Promise<{ code: number | null; stdout: string; stderr: string; hung: boolean }> {
  const { child, result } = spawnCli(args, { home });
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill("SIGKILL");
  }, limitMs);
  const ended = await result;
  clearTimeout(timer);
  return { ...ended, hung };
}

/** The last line of stderr under `-o json`. */
function errorOf(stderr: string): FaultOutcome["error"] {
  const line = stderr.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return {};
  return (JSON.parse(line) as { error?: FaultOutcome["error"] }).error ?? {};
}

function logIn(home: string, host: string, auth: AuthScript | undefined): void {
  if (auth === undefined) return;
  mkdirSync(join(home, ".docker"));
  const entry = { auth: Buffer.from(`${auth.username}:${auth.password}`).toString("base64") };
  writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ auths: { [host]: entry } }));
}

function hasSecret(headers: FaultRegistry["requests"][number]["headers"]): boolean {
  return headers.authorization !== undefined || headers.cookie !== undefined;
}

function hash(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest("hex");
}
