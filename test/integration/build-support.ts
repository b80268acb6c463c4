import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished, type TestContext } from "vitest";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { runProcess } from "../../src/platform/process-runner.ts";
import { TEMPLATES } from "../../src/scaffold/catalogue.ts";
import { initProject } from "../../src/scaffold/init-project.ts";
import type { ToolchainDeps } from "../../src/toolchain/runner.ts";
import { installOnce } from "../components/cache.mjs";
import { installing } from "../components/missing.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { digestOf } from "../../src/domain/digest.ts";

/** The fixture projects of old shapes. */
export const FIXTURES: string = fileURLToPath(new URL("../fixtures/projects/", import.meta.url));

/** An empty folder, removed after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wasme-build-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A project made by `init`, with its compiler in place; skips the test where npm cannot install it. */
export async function templateProject(context: TestContext, name = "hello", template?: string): Promise<string> {
  const folder = join(await emptyFolder(), name);
  await initProject(
    { ...toolchainDeps(), cwd: "/" },
    { directory: folder, language: "assemblyscript", ...(template === undefined ? {} : { template }) },
    () => undefined,
  );
  await symlink(await nodeModules(context, join(TEMPLATES, "assemblyscript/_common")), join(folder, "node_modules"));
  return folder;
}

/** A copy of a fixture project with its dependencies in place. */
export async function fixtureProject(context: TestContext, name: string): Promise<string> {
  const folder = join(await emptyFolder(), name);
  await cp(join(FIXTURES, name), folder, { recursive: true });
  await symlink(await nodeModules(context, folder), join(folder, "node_modules"));
  return folder;
}

/** The `node_modules` that the lock file in `project` asks for, installed once per machine. */
function nodeModules(context: TestContext, project: string): Promise<string> {
  return need(context, "npm registry", async () => {
    const lock = await readFile(join(project, "package-lock.json"));
    const key = digestOf(lock).slice("sha256:".length, "sha256:".length + 12);
    const folder = await installOnce(`npm-${key}`, (draft) =>
      installing("npm registry", async () => {
        for (const file of ["package.json", "package-lock.json"]) await cp(join(project, file), join(draft, file));
        await runOk("npm", ["ci", "--no-audit", "--no-fund"], { cwd: draft });
      }),
    );
    return join(folder, "node_modules");
  });
}

/** The real outside world for a toolchain, with a home of its own. */
export function toolchainDeps(overrides: Partial<ToolchainDeps> = {}): ToolchainDeps {
  const paths = { home: join(tempDir(), ".wasme"), tmp: tmpdir() };
  return { exec: runProcess, env: process.env, signal: new AbortController().signal, paths, ...overrides };
}

/** Gathers events. */
export function recorder(): { readonly events: ProgressEvent[]; readonly sink: (event: ProgressEvent) => void } {
  const events: ProgressEvent[] = [];
  return { events, sink: (event) => void events.push(event) };
}

/** What went to stderr as compiler output, in lines. */
export function outputOf(events: readonly ProgressEvent[]): string {
  return events.flatMap((event) => (event.type === "output" ? [event.line] : [])).join("\n");
}
