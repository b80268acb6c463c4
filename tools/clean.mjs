/**
 * Takes out of `dist/` what the compiler wrote for sources that are gone: it would go into the package and the image. A step
 * of `npm run build`, once the compiler is done: a build that fails leaves all as it was.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const source = fileURLToPath(new URL("../src/", import.meta.url));
/** Made by other steps, each of which replaces the whole. */
const OTHERS = new Set(["image", "joined", "manifests"]);

for (const { name, parentPath, path } of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const file = join(parentPath ?? path, name).slice(dist.length);
  if (OTHERS.has(file.split("/")[0] ?? "")) continue;
  const [, stem] = /^(.+?)\.(?:js|js\.map|d\.ts)$/u.exec(file) ?? [];
  const made = stem === undefined ? file : `${stem}.ts`;
  if (!existsSync(join(source, made))) rmSync(join(dist, file), { recursive: true, force: true });
}
