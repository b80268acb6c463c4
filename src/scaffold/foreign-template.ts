import { mkdtemp, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { usageError } from "../domain/errors.ts";
import { writeError } from "../platform/atomic-file.ts";
import { fetchTemplate, type GitDeps } from "./git-template.ts";
import { type ForeignTemplate, readTemplateFolder } from "./template-folder.ts";
import type { GitSource } from "./template-source.ts";

/** What is needed to get at a template that does not come with wasme. */
export interface ForeignDeps extends GitDeps {
  /** Where relative folders start. */
  readonly cwd: string;
  /** Folder for temporary folders. */
  readonly tmp: string;
}

/** A template in a folder or a git repository. */
export type ForeignSource = GitSource | { readonly kind: "folder"; readonly path: string };

/**
 * Gets at a template of somebody else's, hands it to `use`, and leaves nothing of it behind. With `language`, the
 * template must be in that one. Throws what {@link fetchTemplate} and {@link readTemplateFolder} throw, and
 * `TEMPLATE_LANGUAGE` (usage).
 */
export async function withForeignTemplate<T>(
  deps: ForeignDeps,
  request: { readonly source: ForeignSource; readonly language: string | undefined },
  use: (template: ForeignTemplate) => Promise<T>,
): Promise<T> {
  const { source, language } = request;
  const checked = async (template: ForeignTemplate): Promise<T> => {
    const actual = template.manifest.language;
    if (language === undefined || language.toLowerCase() === actual) return await use(template);
    throw usageError("TEMPLATE_LANGUAGE", `the template is in ${actual}, not in ${JSON.stringify(language)}`, {
      hint: `leave --language out, or use --language ${actual}`,
    });
  };
  if (source.kind === "folder") {
    const path = source.path.replace(/^~(?=$|[/\\])/u, homedir());
    return await checked(await readTemplateFolder(resolve(deps.cwd, path), source.path));
  }
  const work = await mkdtemp(join(deps.tmp, "wasme-template-")).catch((error: unknown) => {
    throw writeError(error, deps.tmp);
  });
  try {
    const { folder, foreign } = await fetchTemplate(deps, source, work);
    return await checked(await readTemplateFolder(folder, shownOf(source), foreign));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function shownOf({ url, folder }: GitSource): string {
  return folder === undefined ? url : `${url}//${folder}`;
}
