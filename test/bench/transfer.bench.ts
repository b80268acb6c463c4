import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import { aptInstall, aptProgram } from "../components/apt.ts";
import { type RunningRegistry, startRegistry } from "../components/registry.ts";
import { runCli } from "../support/run-cli.ts";
import { writeModule } from "../support/modules.ts";
import { type Candidate, measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "wasme-bench-"));
let registry: RunningRegistry;
let skopeo = "";

beforeAll(async () => {
  await aptInstall(["time"]);
  skopeo = await aptProgram("skopeo");
  registry = await startRegistry({});
});
afterAll(async () => {
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
});

it.each([
  ["30 KB", 30_000, 15],
  ["2 MB", 2_000_000, 15],
  ["200 MiB", 200 * 1024 * 1024, 7],
])("push and pull of %s", async (title, size, rounds) => {
  const home = join(work, title.replaceAll(" ", ""));
  mkdirSync(home);
  const stored = "bench.local/source:v1";
  const module = writeModule(home, "module.wasm", size);
  const built = await runCli(["build", "precompiled", module, "-t", stored], { home });
  if (built.code !== 0) throw new Error(built.stderr);
  rmSync(module);
  const layout = join(home, ".wasme/images");
  let count = 0;
  let target = "";
  // A repository of its own for every push: nothing is there already, and neither client may mount.
  const fresh = async (): Promise<void> => {
    count += 1;
    target = `${registry.host}/bench/${title.toLowerCase().replaceAll(" ", "")}-${count}:v1`;
    await runCli(["tag", stored, target], { home });
    forgetSkopeosCache(home);
  };
  const env = { HOME: home };
  const push: Candidate[] = [
    {
      name: "skopeo copy",
      command: skopeo,
      prepare: fresh,
      env,
      get args() {
        return ["copy", "-q", "--dest-tls-verify=false", `oci:${layout}:${stored}`, `docker://${target}`];
      },
    },
    {
      name: "wasme push",
      command: process.execPath,
      prepare: fresh,
      env,
      get args() {
        return [bin, "push", target];
      },
    },
  ];
  report(`push ${title}`, await measure(push, rounds));
  const out = join(home, "out");
  const empty = (): void => {
    rmSync(out, { recursive: true, force: true });
    forgetSkopeosCache(home);
  };
  const pull: Candidate[] = [
    {
      name: "skopeo copy",
      command: skopeo,
      prepare: empty,
      env,
      args: ["copy", "-q", "--src-tls-verify=false", `docker://${target}`, `oci:${out}:v1`],
    },
    { name: "wasme pull", command: process.execPath, prepare: empty, env, args: [bin, "pull", "--store", out, target] },
  ];
  report(`pull ${title}`, await measure(pull, rounds));
});

/** skopeo remembers which blobs a registry has, and then mounts them instead of uploading; as root in a fixed place. */
function forgetSkopeosCache(home: string): void {
  for (const folder of ["/var/lib/containers/cache", join(home, ".local/share/containers/cache")]) {
    rmSync(join(folder, "blob-info-cache-v1.boltdb"), { force: true });
  }
}
