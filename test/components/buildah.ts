import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aptProgram } from "./apt.ts";
import { run, runOk, type RunOptions, type RunResult } from "./run.ts";

/** The buildah executable: in PATH, else installed from Debian. Throws `MissingComponent`. */
export function buildahPath(): Promise<string> {
  return aptProgram("buildah");
}

/** buildah with storage of its own in a temporary folder. */
export interface Buildah {
  /** Runs it and returns exit code and output. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs it, throws unless it exits 0, and returns what it printed, trimmed. */
  output(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Makes an image `FROM scratch` with these files in its root and pushes it, as Istio's docs tell users to. */
  pushScratchImage(image: ScratchImage): Promise<void>;
  remove(): Promise<void>;
}

/** An image to build and push; `pushOptions` are those of `buildah push` (`--tls-verify=false`, `--creds`, …). */
interface ScratchImage {
  /** `HOST/REPOSITORY:TAG`. */
  readonly reference: string;
  /** Paths of the files to copy into the root of the image. */
  readonly files: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** `oci` (default) or `v2s2`, Docker's schema 2. */
  readonly format?: "oci" | "v2s2";
  readonly pushOptions?: readonly string[];
}

/** A buildah that shares nothing with the machine's own: vfs storage, a policy that accepts every signature. */
export async function openBuildah(): Promise<Buildah> {
  const program = await buildahPath();
  const directory = await mkdtemp(join(tmpdir(), "wasme-buildah-"));
  const policy = join(directory, "policy.json");
  await writeFile(policy, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  const storage = ["--root", join(directory, "root"), "--runroot", join(directory, "run")];
  const global = ["--storage-driver", "vfs", ...storage];
  const output = async (args: readonly string[], options: RunOptions = {}): Promise<string> =>
    (await runOk(program, [...global, ...args], options)).stdout.trim();
  return {
    run: (args, options = {}) => run(program, [...global, ...args], options),
    output,
    pushScratchImage: async (image) => {
      const container = await output(["from", "scratch"]);
      const annotations = Object.entries(image.annotations ?? {}).flatMap(([k, v]) => ["--annotation", `${k}=${v}`]);
      if (annotations.length > 0) await output(["config", ...annotations, container]);
      await output(["copy", container, ...image.files, "/"]);
      const id = await output(["commit", "--rm", "--quiet", "--signature-policy", policy, container]);
      const push = ["--signature-policy", policy, "--format", image.format ?? "oci", ...(image.pushOptions ?? [])];
      await output(["push", ...push, id, `docker://${image.reference}`]);
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }),
  };
}
