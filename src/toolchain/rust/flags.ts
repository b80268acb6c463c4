import { dirname, join } from "node:path";
import type { Env } from "../../platform/env.ts";
import { type CargoConfig, cargoHome } from "./config.ts";
import type { CargoMetadata } from "./metadata.ts";
import type { RustTarget, RustToolchain } from "./toolchain.ts";

/** What makes the module of a crate, before the options of one build. */
export const CARGO_BUILD: readonly string[] = ["build", "--release", "--lib"];

/** How flags reach `rustc` through cargo. */
export interface FlagsPassing {
  readonly args: readonly string[];
  readonly env: Env;
}

/**
 * Flags that take this machine's folders out of the module: panics name their source file, so the same sources would
 * give another digest in another folder, or with another home of cargo. Standard library sources installed on this
 * machine get the name they have without them.
 */
export function remapFlags(rust: RustToolchain, metadata: CargoMetadata, env: Env): readonly string[] {
  // The last one that fits counts, so the general ones come first.
  const places: (readonly [string, string])[] = [
    [cargoHome(env), "/cargo"],
    ...metadata.packages
      .filter((item) => item.registry)
      .map((item) => [dirname(item.folder), "/cargo/registry/src"] as const),
    [join(rust.sysroot, "lib", "rustlib", "src", "rust"), `/rustc/${rust.commit ?? rust.version}`],
    ...metadata.packages.filter((item) => item.local).map((item) => [item.folder, `/project/${item.name}`] as const),
    [metadata.workspace, "/project"],
    [metadata.targetFolder, "/project/target"],
  ];
  return [...new Set(places.map(([from, to]) => `--remap-path-prefix=${from}=${to}`))];
}

/**
 * Adds flags to those the project and the user have set. Cargo takes only the first of these that is set: the two
 * variables, `target.*.rustflags`, `build.rustflags`; so ours go where theirs are. (cargo reference, "build.rustflags")
 */
export function passFlags(
  flags: readonly string[],
  { target, config, env }: { readonly target: RustTarget; readonly config: CargoConfig; readonly env: Env },
): FlagsPassing {
  const encoded = env["CARGO_ENCODED_RUSTFLAGS"];
  const plain = env["RUSTFLAGS"];
  const set = encoded?.split(SEPARATOR) ?? plain?.split(" ");
  if (set !== undefined) {
    const all = [...set.map((flag) => flag.trim()).filter((flag) => flag !== ""), ...flags];
    return { args: [], env: { ...env, CARGO_ENCODED_RUSTFLAGS: all.join(SEPARATOR) } };
  }
  const key = config.buildFlags && !config.targetFlags(target) ? "build" : `target.${target}`;
  // A JSON text is a TOML string, too.
  return { args: ["--config", `${key}.rustflags=${JSON.stringify(flags)}`], env };
}

const SEPARATOR = "\u001F";
