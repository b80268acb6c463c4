import { createHash } from "node:crypto";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installOnce } from "../components/cache.mjs";
import { goBuild, goEnvironment, goProgram } from "../components/go.ts";
import { installing } from "../components/missing.ts";
import { runOk } from "../components/run.ts";

/** What a cluster is started from. */
export interface ClusterProgram {
  /** One executable: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok by first argument. */
  readonly binary: string;
  /** Istio's custom resource definitions, many YAML documents in one file. */
  readonly istioCrds: string;
}

/**
 * The cluster program of this platform, built once per change of its sources: about five minutes and 90 MB of
 * modules on a cold machine, nothing when it is in the cache. Throws `MissingComponent` where it cannot be built.
 */
export async function clusterProgram(): Promise<ClusterProgram> {
  const directory = await installOnce(`cluster-${await sourceHash()}`, build);
  return { binary: join(directory, "cluster"), istioCrds: join(directory, "istio-crds.yaml") };
}

/** The version of Kubernetes that `go.mod` asks for and the linker stamps into the binary. */
export const kubernetesVersion = "1.36.3";

const sources = fileURLToPath(new URL(".", import.meta.url));

function build(draft: string): Promise<void> {
  return installing("cluster", async () => {
    const output = join(draft, "cluster");
    await goBuild({ directory: sources, package: ".", output, linkerFlags: stamps() });
    const options = { cwd: sources, env: goEnvironment(), timeoutMs: 10 * 60_000 };
    const module = await runOk(await goProgram(), ["mod", "download", "-json", "istio.io/api"], options);
    const { Dir } = JSON.parse(module.stdout) as { Dir: string };
    await copyFile(join(Dir, "kubernetes", "customresourcedefinitions.gen.yaml"), join(draft, "istio-crds.yaml"));
  });
}

/** Without the stamp `/version` answers a placeholder that is no semantic version, and clients choke on it. */
function stamps(): readonly string[] {
  const [major, minor] = kubernetesVersion.split(".");
  const stamp = {
    gitVersion: `v${kubernetesVersion}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    gitCommit: "0".repeat(40),
    buildDate: "1970-01-01T00:00:00Z",
  };
  return Object.entries(stamp).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
}

async function sourceHash(): Promise<string> {
  const hash = createHash("sha256").update(
    [process.platform, process.arch, ["-s", "-w", ...stamps()].join(" ")].join("\n"),
  );
  for (const name of ["go.mod", "go.sum", "main.go"]) hash.update(await readFile(join(sources, name)));
  return hash.digest("hex").slice(0, 16);
}
