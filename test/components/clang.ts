import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installOnce } from "./cache.mjs";
import { installing } from "./missing.ts";
import { runOk } from "./run.ts";

/** clang and lld 22 with wasi-libc and libc++, compiled to WebAssembly: no root, no package manager, the same everywhere. */
export const clangVersion = "22.0.0-git20542-10";

/** What to compile: the arguments name sources relative to `folder`; `output` is where the module goes. */
export interface ClangBuild {
  /** `clang` or `clang++` first; without `-o`, which is added. */
  readonly command: readonly string[];
  readonly folder: string;
  readonly output: string;
}

const name = "@yowasp/clang";

/** Installs npm's `@yowasp/clang`; the file to import. Throws `MissingComponent`. */
async function clangPackage(): Promise<string> {
  return join(await clangModules(), name, "gen/bundle.js");
}

/** A `node_modules` folder with npm's `@yowasp/clang` in it, for projects to link to. Throws `MissingComponent`. */
export async function clangModules(): Promise<string> {
  const directory = await installOnce(`clang-${clangVersion}`, (draft) =>
    installing("clang", async () => {
      const args = ["install", "--prefix", draft, "--no-save", "--no-package-lock", "--no-audit", "--no-fund"];
      await runOk("npm", [...args, `${name}@${clangVersion}`], { cwd: draft, timeoutMs: 300_000 });
    }),
  );
  return join(directory, "node_modules");
}

let queue: Promise<unknown> = Promise.resolve();

/** Compiles and links a module, one at a time: each takes 0.5 GB. Throws what the compiler said. */
export function clangBuild({ command, folder, output }: ClangBuild): Promise<void> {
  const task = queue.then(async () => {
    const runner = fileURLToPath(new URL("clang-runner.mjs", import.meta.url));
    const args = [runner, await clangPackage(), folder, output, ...command, "-o", "filter.wasm"];
    await runOk(process.execPath, args, { timeoutMs: 300_000 });
  });
  queue = task.catch(() => undefined);
  return task;
}
