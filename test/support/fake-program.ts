import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes a shell script that stands for a program; the folder is for `PATH`. Gives the script's path. */
export async function fakeProgram(folder: string, name: string, script: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Writes files below a folder, which is made: path and text. Gives the folder. */
export async function writeTree(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
