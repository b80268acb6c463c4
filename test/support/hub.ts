import { rmSync } from "node:fs";
import { join } from "node:path";
import { type RegistryServer, type RegistryServerOptions, startRegistryServer } from "../../src/hub/registry-server.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { makeTempDir } from "./temp-dir.ts";

/** Our own registry on a free loopback port, over a folder of its own. */
export interface HubServer extends RegistryServer {
  readonly store: ImageStore;
  /** For files of the test; the store is in `images` below it. */
  readonly dir: string;
}

/** How it is run. */
export type HubOptions = Omit<RegistryServerOptions, "store">;

/** Starts it; `close` removes the folder too. Options may be made with that folder. */
export async function startHub(
  options: HubOptions | ((dir: string) => Promise<HubOptions> | HubOptions) = {},
): Promise<HubServer> {
  const dir = makeTempDir("wasme-hub-");
  const store = openStore(join(dir, "images"));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const server = await startRegistryServer({
      store,
      ...(typeof options === "function" ? await options(dir) : options),
    });
    const close = async (graceMs?: number): Promise<void> => {
      await server.close(graceMs);
      remove();
    };
    return { ...server, store, dir, close };
  } catch (error) {
    remove();
    throw error;
  }
}
