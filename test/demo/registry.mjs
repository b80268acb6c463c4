/**
 * A registry on this machine for the README's tour, with Node alone: `node test/demo/registry.mjs [PORT]`, default 5000,
 * 0 takes a free one. What is pushed to it is gone when it ends. Its one line on stdout names it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistryServer } from "../../dist/hub/registry-server.js";
import { openStore } from "../../dist/store/image-store.js";

const folder = mkdtempSync(join(tmpdir(), "wasme-registry-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(0));
try {
  const { host } = await startRegistryServer({ store: openStore(folder), port: Number(process.argv[2] ?? 5000) });
  process.stdout.write(`Registry at ${host.replace("127.0.0.1", "localhost")}. Ctrl-C ends it.\n`);
} catch (error) {
  process.stderr.write(`Error: ${error.message}\n`);
  process.exitCode = 1;
}
