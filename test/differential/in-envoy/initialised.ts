import { join } from "node:path";
import { initProject } from "../../../src/scaffold/init-project.ts";
import { toolchainDeps } from "../../integration/build-support.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** A project made by `init`, in a folder of its own that has the template's name. */
export async function initialised(language: string, template: string): Promise<string> {
  const directory = join(tempDir(), template);
  await initProject({ ...toolchainDeps(), cwd: "/" }, { directory, language, template }, () => undefined);
  return directory;
}
