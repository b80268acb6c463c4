import { access, opendir } from "node:fs/promises";
import { join } from "node:path";

/**
 * True when the old tool's store in `dir` holds at least one image: a folder named by an MD5 with an `image_ref` in it.
 * Only looks; an absent or unreadable folder is none.
 */
export async function hasLegacyStore(dir: string): Promise<boolean> {
  try {
    for await (const entry of await opendir(dir)) {
      if (
        entry.isDirectory() &&
        /^[a-f0-9]{32}$/u.test(entry.name) &&
        (await isThere(join(dir, entry.name, "image_ref")))
      ) {
        return true;
      }
    }
  } catch {
    // No old store is the usual case, and a broken one is not worth an error: this only decides about a hint.
  }
  return false;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
