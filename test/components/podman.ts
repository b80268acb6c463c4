import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { aptProgram, aptUnpack } from "./apt.ts";
import { MissingComponent } from "./missing.ts";
import { run, runOk, type RunResult } from "./run.ts";

/** A podman with storage of its own, and images made of a shell and scripts: no registry is asked. */
export interface Podman {
  /** The environment in which `podman` is this one. */
  readonly env: NodeJS.ProcessEnv;
  run(args: readonly string[]): Promise<RunResult>;
  /** Makes an image of busybox and these files; those below `bin` and those without an ending can be run. */
  image(reference: string, files: Readonly<Record<string, string>>, changes?: readonly string[]): Promise<void>;
  /** Why this machine lets it run no containers; `undefined` when it does. */
  refusal(reference: string): Promise<string | undefined>;
  remove(): Promise<void>;
}

/** podman and runc (in `PATH`, else installed from Debian), and a busybox that needs no libraries. Throws `MissingComponent`. */
export async function podmanPrograms(): Promise<{ podman: string; runc: string; busybox: string }> {
  if (process.getuid?.() !== 0) throw new MissingComponent("podman", "its tests need root");
  const [podman, runc] = [await aptProgram("podman"), await aptProgram("runc")];
  return { podman, runc, busybox: join(await aptUnpack("busybox-static"), "bin", "busybox") };
}

/** A podman of its own, apart from the machine's containers and images. Throws `MissingComponent`. */
export async function openPodman(): Promise<Podman> {
  const { podman, runc, busybox } = await podmanPrograms();
  const folder = await mkdtemp(join(tmpdir(), "wasme-podman-"));
  const env = await configure(folder, runc);
  const call = (args: readonly string[]): Promise<RunResult> => run(podman, args, { env });
  return {
    env,
    run: call,
    image: async (reference, files, changes = []) => {
      const root = await mkdtemp(join(folder, "rootfs-"));
      await makeRoot(root, busybox, files);
      await runOk("tar", ["-C", root, "-cf", `${root}.tar`, "."]);
      const all = changes.flatMap((change) => ["--change", change]);
      await runOk(podman, ["import", ...all, `${root}.tar`, reference], { env });
    },
    refusal: async (reference) => {
      const { code, stderr } = await call(["run", "--rm", "--entrypoint", "/bin/true", reference]);
      return code === 0 ? undefined : `podman cannot run containers here: ${stderr.trim()}`;
    },
    remove: async () => {
      await call(["rm", "--force", "--all"]);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * Settings for machines that are containers or small virtual machines themselves: plain copies as storage, the network of
 * the machine, limits that need not be raised, and runc, which takes every layout of control groups.
 */
async function configure(folder: string, runc: string): Promise<NodeJS.ProcessEnv> {
  const [containers, storage] = [join(folder, "containers.conf"), join(folder, "storage.conf")];
  await writeFile(
    containers,
    `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[engine.runtimes]
runc = ["${runc}"]
`,
  );
  await writeFile(
    storage,
    `[storage]\ndriver = "vfs"\ngraphroot = "${join(folder, "root")}"\nrunroot = "${join(folder, "run")}"\n`,
  );
  return { ...process.env, WASME_USE_PODMAN: "1", CONTAINERS_CONF: containers, CONTAINERS_STORAGE_CONF: storage };
}

async function makeRoot(root: string, busybox: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(root, "bin"));
  await mkdir(join(root, "tmp"));
  await chmod(join(root, "tmp"), 0o1777);
  await cp(busybox, join(root, "bin", "busybox"));
  for (const applet of APPLETS) await symlink("busybox", join(root, "bin", applet));
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    if (!/\.\w+$/u.test(path)) await chmod(file, 0o755);
  }
}

const APPLETS = [
  "sh",
  "cat",
  "cp",
  "grep",
  "id",
  "ls",
  "mkdir",
  "mv",
  "rm",
  "sleep",
  "tar",
  "touch",
  "tr",
  "true",
  "wc",
];
