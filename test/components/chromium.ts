import { aptProgram } from "./apt.ts";
import { findProgram } from "./run.ts";

/** A Chromium or Chrome in PATH, else Debian's, which is installed for it. Throws `MissingComponent`. */
export async function chromiumPath(): Promise<string> {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    const path = await findProgram(name);
    if (path !== undefined) return path;
  }
  return aptProgram("chromium");
}
