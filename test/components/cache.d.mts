/**
 * The folder that keeps test programs between runs: `wasme-test` under `$WASME_TEST_CACHE`, else
 * `$XDG_CACHE_HOME`, else `~/.cache`. Plain JavaScript, because Node 20 runs it without a build.
 */
export declare function cacheRoot(): string;

/**
 * The path of folder `name` in the cache, filled by `install` when it is not there. `install` gets an empty
 * folder under a temporary name, which is renamed when it returns: a broken install leaves nothing behind,
 * and of several test runs at once one installs while the others wait for it.
 */
export declare function installOnce(name: string, install: (directory: string) => Promise<void>): Promise<string>;
