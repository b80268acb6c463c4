import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A temporary folder that is removed when the current test ends. */
export function tempDir(prefix = "wasme-"): string {
  const dir = makeTempDir(prefix);
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A temporary folder the caller removes. */
export function makeTempDir(prefix = "wasme-"): string {
  return realpathSync(mkdtempSync(join(tmpdir(), prefix)));
}
