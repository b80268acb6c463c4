import { rmSync } from "node:fs";
import { join } from "node:path";
import { type RegistryServer, startRegistryServer } from "../../src/hub/registry-server.ts";
import { openStore } from "../../src/store/image-store.ts";
import { makeTempDir } from "./temp-dir.ts";

/** Our own registry on a free loopback port, over a folder of its own. */
export type HubServer = RegistryServer;

/** Starts it; `close` removes the folder too. */
export async function startHub(): Promise<HubServer> {
  const dir = makeTempDir("wasme-hub-");
  const server = await startRegistryServer({ store: openStore(join(dir, "images")) });
  return {
    ...server,
    close: async () => {
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
