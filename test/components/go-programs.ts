import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installOnce } from "./cache.mjs";
import { goBuild } from "./go.ts";
import { installing } from "./missing.ts";

/** A program that exists as a Go module: `go/NAME` holds the `go.mod` that pins it and the sums of all it needs. */
interface GoProgram {
  readonly name: string;
  readonly package: string;
  readonly tags?: readonly string[];
}

/** oras 1.3.2, the client of the ORAS project. Built once per machine; throws `MissingComponent`. */
export function orasPath(): Promise<string> {
  return program({ name: "oras", package: "oras.land/oras/cmd/oras" });
}

/** crane 0.22.1, go-containerregistry's client; `crane registry serve` is a plain registry. Otherwise as {@link orasPath}. */
export function cranePath(): Promise<string> {
  return program({ name: "crane", package: "github.com/google/go-containerregistry/cmd/crane" });
}

/** CNCF distribution 3.1.2, the registry that Docker's grew into. Otherwise as {@link orasPath}. */
export function distributionPath(): Promise<string> {
  return program({ name: "distribution", package: "github.com/distribution/distribution/v3/cmd/registry" });
}

/** zot 1.4.3, a registry of OCI layouts, without its extensions. Otherwise as {@link orasPath}. */
export function zotPath(): Promise<string> {
  const tags = ["containers_image_openpgp", "exclude_graphdriver_btrfs", "exclude_graphdriver_devicemapper"];
  return program({ name: "zot", package: "zotregistry.io/zot/cmd/zot", tags });
}

/** Helm 4.2.4. Otherwise as {@link orasPath}. */
export function helmPath(): Promise<string> {
  return program({ name: "helm", package: "helm.sh/helm/v4/cmd/helm" });
}

/** kustomize 5.7.1, which `kubectl kustomize` has inside. Otherwise as {@link orasPath}. */
export function kustomizePath(): Promise<string> {
  return program({ name: "kustomize", package: "sigs.k8s.io/kustomize/kustomize/v5" });
}

async function program({ name, package: source, tags = [] }: GoProgram): Promise<string> {
  const directory = fileURLToPath(new URL(`go/${name}/`, import.meta.url));
  const hash = createHash("sha256").update([process.platform, process.arch, source, ...tags].join("\n"));
  for (const file of ["go.mod", "go.sum"]) hash.update(await readFile(join(directory, file)));
  const folder = await installOnce(`${name}-${hash.digest("hex").slice(0, 16)}`, (draft) =>
    installing(name, () => goBuild({ directory, package: source, tags, output: join(draft, name) })),
  );
  return join(folder, name);
}
