// A process of its own that works on a store: `node store-worker.mjs DIR MODE FIRST COUNT`. It prints a line for each
// name, once that is stored. `tag` names one image again and again; `store` makes a new image for each name.
import { randomBytes } from "node:crypto";
import { bytesSource } from "../../dist/domain/content.js";
import { describe } from "../../dist/domain/descriptor.js";
import { openStore } from "../../dist/store/image-store.js";

const [dir, mode, first, count] = process.argv.slice(2);
const store = openStore(dir);

async function put(content) {
  const layer = describe("application/octet-stream", content);
  const config = describe("application/vnd.oci.empty.v1+json", Buffer.from("{}"));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [layer] }));
  const manifest = describe("application/vnd.oci.image.manifest.v1+json", bytes);
  await store.push(config, bytesSource(Buffer.from("{}")));
  await store.push(layer, bytesSource(content));
  await store.push(manifest, bytesSource(bytes));
  return manifest;
}

const one = mode === "tag" ? await put(Buffer.from("one")) : undefined;
process.stdout.write("ready\n");
for (let at = 0; at < Number(count); at += 1) {
  const name = `h.io/r:${first}-${at}`;
  await store.tag(name, one ?? (await put(randomBytes(20_000))));
  process.stdout.write(`${name}\n`);
}
