import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { chartFiles } from "./chart.mjs";
import { defaults } from "./settings.mjs";
import { documents } from "./yaml.mjs";

/** Writes the folder anew, in one move: nobody sees half of it, and nothing of an older build stays in it. */
export async function writeManifests(directory, version, builders) {
  const draft = `${directory}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  for (const [name, text] of Object.entries(manifestFiles(version, builders))) {
    await mkdir(dirname(join(draft, name)), { recursive: true });
    await writeFile(join(draft, name), text);
  }
  await rm(directory, { recursive: true, force: true });
  await rename(draft, directory);
}

/** The text of each file by its path. */
export function manifestFiles(version, builders) {
  const { buildCacheObjects, buildOperatorKinds, buildOperatorProgram } = builders;
  const { cache, operator } = defaults(version);
  const kinds = buildOperatorKinds();
  const program = buildOperatorProgram(operator);
  const crds = Object.fromEntries(
    kinds
      .filter(({ kind }) => kind === "CustomResourceDefinition")
      .map((object) => [`crds/${object.metadata.name}.yaml`, documents([object])]),
  );
  return {
    "cache.yaml": documents(buildCacheObjects(cache)),
    "cache-files.yaml": documents(buildCacheObjects({ ...cache, files: true })),
    "operator.yaml": documents([...kinds, ...program]),
    "operator-namespaced.yaml": documents(buildOperatorProgram({ ...operator, watchNamespaces: ["default"] })),
    ...crds,
    "kustomize/kustomization.yaml": kustomization(version),
    "kustomize/kinds.yaml": documents(kinds),
    "kustomize/cache.yaml": documents(buildCacheObjects(cache)),
    "kustomize/operator.yaml": documents(program),
    ...prefixed("chart/", { ...crds, ...chartFiles(version, builders) }),
  };
}

function kustomization(version) {
  const image = { name: "ghcr.io/wasme/wasme", newTag: version };
  const resources = ["kinds.yaml", "cache.yaml", "operator.yaml"];
  return documents([
    { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", resources, images: [image] },
  ]);
}

function prefixed(prefix, files) {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [prefix + name, text]));
}
