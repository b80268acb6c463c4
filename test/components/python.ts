import { rm } from "node:fs/promises";
import { join } from "node:path";
import { aptInstall } from "./apt.ts";
import { findProgram, run, runOk } from "./run.ts";

/**
 * Unpacks packages of PyPI into `directory` (pip's `--target`), by a virtual environment that is thrown away
 * afterwards, so that neither the user's Python nor its settings are touched. `look`, Python code, is run with
 * the packages importable; its output is returned.
 */
export async function pipInstall(directory: string, packages: readonly string[], look = "pass"): Promise<string> {
  const venv = join(directory, ".venv");
  await createVenv(venv);
  const python = join(venv, "bin", "python");
  await runOk(python, ["-m", "pip", "install", "--quiet", "--target", directory, ...packages], { timeoutMs: 600_000 });
  const found = await runOk(python, ["-c", look], { env: { ...process.env, PYTHONPATH: directory } });
  await rm(venv, { recursive: true, force: true });
  return found.stdout.trim();
}

async function createVenv(venv: string): Promise<void> {
  if ((await findProgram("python3")) !== undefined) {
    const created = await run("python3", ["-m", "venv", venv]);
    if (created.code === 0) return;
  }
  // Debian's python3 comes without ensurepip, and a bare system without python3.
  await aptInstall(["python3", "python3-venv"]);
  await rm(venv, { recursive: true, force: true });
  await runOk("/usr/bin/python3", ["-m", "venv", venv]);
}
