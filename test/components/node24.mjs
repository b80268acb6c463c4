import { execFile } from "node:child_process";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installOnce } from "./cache.mjs";

const version = "24.21.0";

/** The folder that holds the `node` of a current Node.js. */
export async function node24Bin() {
  if (process.platform !== "linux") throw new Error(`Node ${version} is fetched for Linux only`);
  const name = `node-linux-${process.arch}`;
  const directory = await installOnce(`${name}-${version}`, async (draft) => {
    const args = ["install", "--prefix", draft, "--no-save", "--no-package-lock", "--no-audit", "--no-fund"];
    await promisify(execFile)("npm", [...args, `${name}@${version}`], { timeout: 300_000 });
    await rename(join(draft, "node_modules", name, "bin"), join(draft, "bin"));
    await rm(join(draft, "node_modules"), { recursive: true, force: true });
  });
  return join(directory, "bin");
}

// As a program it prints the folder: PATH="$(node test/components/node24.mjs):$PATH"
if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await node24Bin());
