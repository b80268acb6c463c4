import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installOnce } from "./cache.mjs";
import { goBuild } from "./go.ts";
import { installing } from "./missing.ts";
import { runOk } from "./run.ts";

/** What became of an image in the hands of Istio's agent. */
export interface IstioAnswer {
  readonly reference: string;
  readonly manifestDigest?: string;
  readonly moduleDigest?: string;
  /** Why it was refused. */
  readonly refused?: string;
}

const SOURCES = ["main.go", "go.mod", "go.sum"] as const;

/**
 * A program that takes modules out of images with the code of Istio's agent (August 2026, before 1.32), which Envoy
 * Gateway and Higress share. Built once per machine; throws `MissingComponent`.
 */
export async function istioPullerPath(): Promise<string> {
  const directory = fileURLToPath(new URL("go/istio-puller/", import.meta.url));
  const hash = createHash("sha256").update([process.platform, process.arch].join("\n"));
  for (const file of SOURCES) hash.update(await readFile(join(directory, file)));
  const folder = await installOnce(`istio-puller-${hash.digest("hex").slice(0, 16)}`, (draft) =>
    installing("istio", () => goBuild({ directory, package: ".", output: join(draft, "istio-puller") })),
  );
  return join(folder, "istio-puller");
}

/** Has Istio's code pull images, `HOST/REPOSITORY:TAG`, one after the other. */
export async function pullWithIstio(references: readonly string[]): Promise<readonly IstioAnswer[]> {
  const { stdout } = await runOk(await istioPullerPath(), references);
  // Its log goes to the same place.
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as IstioAnswer);
}
