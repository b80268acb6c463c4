import { isObject, tryParseJson } from "../../domain/json.ts";
import { findTool, installedBesidePath, pathCommand } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import type { ToolchainDeps } from "../runner.ts";
import { toolMissing } from "../tool-missing.ts";
import { goError } from "./go-error.ts";

/** The Go that builds in one folder: `go.mod` may ask for a newer one than the one in `PATH`. */
export interface GoToolchain {
  /** Absolute. */
  readonly go: string;
  /** `1.26.1`. */
  readonly version: string;
  /** The module's `go.mod`, absolute; `undefined` outside a module. */
  readonly goMod: string | undefined;
}

/** The first Go that makes a library for WASI (`-buildmode=c-shared` with `GOOS=wasip1`). */
const NEEDED = "1.24";

/**
 * Finds the Go that would build in `folder`. Throws `TOOL_MISSING`, and `TOOL_UNFIT` for one before 1.24 or older than
 * `go.mod` asks for.
 */
export async function findGo(
  deps: ToolchainDeps,
  { folder, install }: { readonly folder: string; readonly install: boolean },
): Promise<GoToolchain> {
  const go = await findTool(deps.env, "go");
  if (go === undefined) throw await noGo(deps);
  const asked = ["env", "-json", "GOVERSION", "GOMOD", "GOTOOLCHAIN"];
  const result = await deps.exec(go, asked, { cwd: folder, env: deps.env, signal: deps.signal });
  const { stderr, exitCode } = result;
  const facts = tryParseJson(result.stdout);
  const found = /^(?:devel )?go(\d+)\.(\d+)\S*/u.exec(isObject(facts) ? String(facts["GOVERSION"]) : "");
  if (exitCode !== 0 || !isObject(facts) || found === null) {
    throw goError({ folder, stderr, exitCode, compiler: go, command: "go env", install });
  }
  const version = found[0].replace(/^(?:devel )?go/u, "");
  const level = Number(found[1]) * 1000 + Number(found[2]);
  if (level < 1024) throw await tooOld(version, level, facts["GOTOOLCHAIN"]);
  const goMod = String(facts["GOMOD"]);
  return { go, version, goMod: goMod === "" || /[/\\]?(?:dev[/\\]null|NUL)$/u.test(goMod) ? undefined : goMod };
}

async function noGo(deps: ToolchainDeps): Promise<Error> {
  const folder = await installedBesidePath(deps.env, "go");
  if (folder !== undefined) {
    return toolMissing("TOOL_MISSING", `go is installed in ${folder}, which is not in PATH`, {
      hint: pathCommand(folder),
    });
  }
  return toolMissing("TOOL_MISSING", "go was not found in PATH: Go filters are built with it", {
    hint: `${await installHint("go")} (${NEEDED} or newer)`,
  });
}

/** From 1.21 on Go fetches the version that `go.mod` asks for, unless that was switched off. */
async function tooOld(version: string, level: number, toolchain: unknown): Promise<Error> {
  const message = `Go ${version} is here; filters need Go ${NEEDED} or newer`;
  const switched = toolchain === "local" || (typeof toolchain === "string" && /^go\d/u.test(toolchain));
  if (level < 1021) return toolMissing("TOOL_UNFIT", message, { hint: await installHint("go") });
  const edit = `in the project: go mod edit -go=${NEEDED}.0, and go fetches it`;
  return toolMissing("TOOL_UNFIT", message, { hint: switched ? `export GOTOOLCHAIN=auto, and ${edit}` : edit });
}
