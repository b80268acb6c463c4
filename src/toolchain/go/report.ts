import { tmpdir } from "node:os";
import { WasmeError } from "../../domain/errors.ts";
import { findTool } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import { probe } from "../probe.ts";
import type { ToolchainDeps, ToolReport } from "../runner.ts";
import { findGo } from "./toolchain.ts";

/** What is there of Go, seen from outside any project. The first look compiles three lines, which takes seconds. */
export async function reportGo(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const purpose = "builds Go filters (1.24 or newer)";
  try {
    const { go, version } = await findGo(deps, { folder: tmpdir(), install: true });
    const row = { tool: "go", where: go, version, purpose } as const;
    const { ok, said } = await probe(deps, {
      tool: go,
      key: `go ${version}`,
      files: { "go.mod": "module probe\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() {}\n" },
      args: ["build", "-buildmode=c-shared", "-buildvcs=false", "-o", "out.wasm", "."],
      output: "out.wasm",
      env: { ...deps.env, GOOS: "wasip1", GOARCH: "wasm", GOWORK: "off" },
    });
    return [ok ? { ...row, state: "ok" } : { ...row, state: "unfit", problem: said, install: await installHint("go") }];
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const where = await findTool(deps.env, "go");
    const install = error.hint ?? (await installHint("go"));
    const problem = error.message;
    if (where === undefined) return [{ tool: "go", state: "missing", purpose, problem, install }];
    return [{ tool: "go", state: "unfit", where, purpose, problem, install }];
  }
}
