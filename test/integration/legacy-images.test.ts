import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { migrateStore } from "../../src/images/migrate-store.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { openStore } from "../../src/store/image-store.ts";
import { type RunningRegistry, startRegistry } from "../components/registry.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { need } from "../components/require-component.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { startHub } from "../support/hub.ts";
import { vectorModule, writeLegacyImage } from "../support/legacy-store.ts";
import { tempDir } from "../support/temp-dir.ts";

const CONFIG =
  '{"type":"envoy_proxy","abiVersions":["v0-4689a30309abf31aee9ae36e73d34b1bb182685f","v0.2.1"],"config":{"rootIds":["add_header"]}}';
/** What the old tool printed for this module and config: users may have pinned it. */
const DIGEST = "sha256:4631037d312085bfacd4ecead9a2c906f2053a754839964e0e996fe312dd015e";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe("an image of the old tool", () => {
  it.for([...registryKinds, "ours"] as const)("migrated and pushed to %s keeps its digest", async (kind, context) => {
    await need(context, "skopeo", skopeoPath);
    const host = await start();
    const dir = tempDir();
    const name = `${host}/me/old:v1`;
    mkdirSync(join(dir, "old"));
    writeLegacyImage(join(dir, "old"), name, { module: vectorModule(), config: CONFIG });
    const store = openStore(join(dir, "images"));
    await migrateStore({ store }, { from: join(dir, "old"), force: false, dryRun: false });
    const registry = createRegistryClient({ env: {} });
    stops.push(async () => registry.close());
    const pushed = await pushImage({ store, registry }, { reference: ref(name) });
    expect(pushed).toMatchObject({ manifestDigest: DIGEST, format: "oci", unchanged: false });
    expect(await pushImage({ store, registry }, { reference: ref(name) })).toMatchObject({ unchanged: true });
    const raw = await skopeo(["inspect", "--tls-verify=false", "--raw", `docker://${name}`]);
    expect(digestOf(raw.stdout), raw.stderr).toBe(DIGEST);
    const fresh = openStore(join(dir, "fresh"));
    expect(await pullImage({ store: fresh, registry }, { reference: ref(name) })).toMatchObject({
      manifestDigest: DIGEST,
      moduleSize: 30_016,
    });
    const pinned = ref(`${name.slice(0, name.lastIndexOf(":"))}@${DIGEST}`);
    expect(await resolveImage({ store, registry }, { reference: pinned, from: "registry" })).toMatchObject({
      runtimeConfig: JSON.parse(CONFIG) as object,
    });

    async function start(): Promise<string> {
      if (kind === "ours") {
        const hub = await startHub();
        stops.push(() => hub.close());
        return hub.host;
      }
      const running: RunningRegistry = await need(context, componentOf[kind], () => startRegistry({ kind }));
      stops.push(() => running.stop());
      return running.host;
    }
  });
});
