import type { BuildFacts } from "../../../domain/build-facts.ts";
import { oneLine } from "../../../domain/one-line.ts";

/** One line of how a module was built: `rustc 1.95.0, wasm32-wasip1, proxy-wasm 0.2.5, binaryen 132.0.0 -Oz`. */
export function builtBy({ language, compiler, target, sdk, optimizer, builder }: Partial<BuildFacts>): string {
  const way = builder === "container" ? "in a container" : undefined;
  const parts = [compiler ?? language, target, sdk, optimizer, way].filter((part) => part !== undefined);
  return parts.map((part) => oneLine(part, LONGEST)).join(", ");
}

/** A stranger may have written them. */
const LONGEST = 80;
