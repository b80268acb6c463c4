import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";

/** Something on disk that a filter is made of. */
export interface WatchedSource {
  /** Absolute paths of files, and of folders whose whole tree counts. */
  readonly paths: readonly string[];
  /** Absolute path of a file in such a folder that does not count. */
  readonly except?: string | undefined;
}

/** Milliseconds of silence that end a burst of events: editors write in several steps. */
const QUIET_MS = 20;

/** A watch that is on. */
export interface SourceWatch {
  close(): void;
}

/**
 * Calls `onChange` when the content below the paths is another than before, with the moment of the first event
 * (`performance.now`). Files that are replaced, as editors and compilers do, are followed. In folders, what builds and
 * packages put there is left out.
 */
export async function watchSource(source: WatchedSource, onChange: (savedAt: number) => void): Promise<SourceWatch> {
  const tree = new TreeWatch(source, onChange);
  await tree.start();
  return tree;
}

class TreeWatch implements SourceWatch {
  readonly #source: WatchedSource;
  readonly #onChange: (savedAt: number) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #content = "";
  #timer: NodeJS.Timeout | undefined;
  #savedAt: number | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(source: WatchedSource, onChange: (savedAt: number) => void) {
    this.#source = source;
    this.#onChange = onChange;
  }

  async start(): Promise<void> {
    this.#content = await this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #event(): void {
    this.#savedAt ??= performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#looking = (this.#looking ?? Promise.resolve()).then(async () => await this.#compare());
    }, QUIET_MS);
  }

  async #compare(): Promise<void> {
    const savedAt = this.#savedAt ?? performance.now();
    this.#savedAt = undefined;
    const content = await this.#look();
    if (this.#closed || content === this.#content) return;
    this.#content = content;
    this.#onChange(savedAt);
  }

  /** A digest of everything there is; folders that are new are watched from now on. */
  async #look(): Promise<string> {
    const hash = createHash("sha256");
    for (const path of this.#source.paths) {
      const found = await stat(path).catch(() => undefined);
      if (found?.isDirectory() === true) await this.#lookAtFolder(path, path, hash);
      else {
        this.#watch(dirname(path), basename(path));
        hash.update(await fileState(path));
      }
    }
    return hash.digest("hex");
  }

  async #lookAtFolder(root: string, folder: string, hash: ReturnType<typeof createHash>): Promise<void> {
    this.#watch(folder, undefined);
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".") || GENERATED.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await this.#lookAtFolder(root, path, hash);
      else if (entry.isFile() && path !== this.#source.except)
        hash.update(`${relative(root, path)}\0${await fileState(path)}\0`);
    }
  }

  #watch(folder: string, only: string | undefined): void {
    const key = `${folder}\0${only ?? ""}`;
    if (this.#closed || this.#watchers.has(key)) return;
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (only === undefined || name === null || name === only) this.#event();
      });
      watcher.on("error", () => this.#watchers.delete(key));
      this.#watchers.set(key, watcher);
    } catch {
      // A folder that just went: its parent tells when it is back.
    }
  }
}

/** What builds and package managers write. */
const GENERATED: ReadonlySet<string> = new Set(["node_modules", "build", "dist", "target", "out", "coverage"]);

/** Larger files are told apart by their time. Bytes. */
const MOST_HASHED = 8 * 1024 * 1024;

async function fileState(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return "none";
  if (found.size > MOST_HASHED) return `${found.size}-${found.mtimeMs}`;
  const bytes = await readFile(path).catch(() => undefined);
  return bytes === undefined ? "unreadable" : createHash("sha256").update(bytes).digest("hex");
}
