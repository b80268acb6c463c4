import { tmpdir } from "node:os";
import { messageOf, WasmeError } from "../../domain/errors.ts";
import { findTool } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import { probe } from "../probe.ts";
import type { ToolchainDeps, ToolReport } from "../runner.ts";
import { findCargo, findRust, RUST_TARGETS, type RustTarget, type RustToolchain, targetCommand } from "./toolchain.ts";

/** What is there of Rust, seen from outside any project: cargo, and the targets, each tried with three lines. */
export async function reportRust(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const purpose = "builds Rust filters";
  const cargo = await findTool(deps.env, "cargo");
  try {
    const rust = await findRust(deps, await findCargo(deps, tmpdir()), tmpdir());
    const targets = await Promise.all(
      RUST_TARGETS.filter((target) => target !== "wasm32-wasi" || rust.targets.includes(target)).map(
        async (target) => await reportTarget(deps, rust, target),
      ),
    );
    return [{ tool: "cargo", state: "ok", where: rust.cargo, version: rust.version, purpose }, ...targets];
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const install = error.hint ?? (await installHint("rust"));
    if (cargo === undefined) return [{ tool: "cargo", state: "missing", purpose, problem: messageOf(error), install }];
    return [{ tool: "cargo", state: "unfit", where: cargo, purpose, problem: messageOf(error), install }];
  }
}

async function reportTarget(deps: ToolchainDeps, rust: RustToolchain, target: RustTarget): Promise<ToolReport> {
  const best = target !== "wasm32-unknown-unknown";
  const purpose = best ? "the target filters are built for" : "serves where wasm32-wasip1 is not there";
  if (!rust.targets.includes(target)) {
    return best
      ? { tool: target, state: "missing", purpose, install: await targetCommand(rust) }
      : { tool: target, state: "optional", purpose };
  }
  const { ok, said } = await probe(deps, {
    tool: (await findTool(deps.env, "rustc")) ?? "rustc",
    key: `rust ${target} ${rust.sysroot} ${rust.version}`,
    files: { "lib.rs": LIBRARY },
    args: ["--crate-type", "cdylib", "--target", target, "-o", "out.wasm", "lib.rs"],
    output: "out.wasm",
  });
  const facts = { tool: target, version: rust.version, purpose };
  if (ok) return { ...facts, state: "ok" };
  const problem = said.split("\n").find((line) => line.startsWith("error"));
  return { ...facts, state: "unfit", problem: problem ?? said, install: await targetCommand(rust) };
}

/** Needs the standard library and the linker. */
const LIBRARY = `#[no_mangle]
pub extern "C" fn answer() -> usize { std::env::args().count() }
`;
