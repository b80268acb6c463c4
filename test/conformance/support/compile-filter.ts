import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { installOnce } from "../../components/cache.mjs";
import { installing } from "../../components/missing.ts";
import { runOk } from "../../components/run.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** What `wasme init --language assemblyscript` copies into every project: the SDK and the compiler's options. */
export const templateFolder: string = join(ROOT, "templates/assemblyscript/_common");

/** What it copies over that for the starter filter. */
export const starterFolder: string = join(ROOT, "templates/assemblyscript/add-header");

interface Compiler {
  main(argv: string[], options: CompilerOptions): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

interface CompilerOptions {
  readFile(name: string, folder: string): Promise<string | null>;
  writeFile(name: string, content: Uint8Array | string): void;
  listFiles(): string[];
}

/**
 * Installs the compiler that the template's lock file pins; a folder with `node_modules`. Throws `MissingComponent`
 * where npm cannot fetch it.
 */
export function compilerFolder(): Promise<string> {
  return installOnce("assemblyscript-0.28.20", (folder) =>
    installing("assemblyscript", async () => {
      for (const name of ["package.json", "package-lock.json"]) {
        await copyFile(join(templateFolder, name), join(folder, name));
      }
      await runOk("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder });
    }),
  );
}

/**
 * Compiles a filter of `test/fixtures/filters/assemblyscript` against the template's SDK, in-process, with the
 * arguments of the template's own `asbuild` script; without a name, the template's starter filter.
 */
export async function compileFilter(name?: string, extra: readonly string[] = []): Promise<Uint8Array> {
  const file = join(await compilerFolder(), "node_modules/assemblyscript/dist/asc.js");
  const compiler = (await import(pathToFileURL(file).href)) as Compiler;
  const entry =
    name === undefined
      ? join(starterFolder, "assembly/index.ts")
      : join(ROOT, `test/fixtures/filters/assemblyscript/${name}.ts`);
  let module: Uint8Array | undefined;
  const { error, stderr } = await compiler.main([...(await buildArguments()), "--baseDir", templateFolder, ...extra], {
    readFile: (path, folder) =>
      readFile(path === "assembly/index.ts" ? entry : join(folder, path), "utf8").catch(() => null),
    writeFile: (_path, content) => {
      if (typeof content !== "string") module = content;
    },
    listFiles: () => [],
  });
  if (error !== null || module === undefined)
    throw new Error(`${name ?? "starter"}: ${stderr.toString()}`, { cause: error });
  return module;
}

/** What the template's script gives to `asc`. */
async function buildArguments(): Promise<string[]> {
  const project = JSON.parse(await readFile(join(templateFolder, "package.json"), "utf8")) as {
    scripts: { asbuild: string };
  };
  const [program, ...rest] = project.scripts.asbuild.split(" ");
  if (program !== "asc") throw new Error(`asbuild does not call asc: ${project.scripts.asbuild}`);
  return rest;
}
