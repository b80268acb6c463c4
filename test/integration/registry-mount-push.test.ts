import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage, type PushRequest, type PushResult } from "../../src/images/push-image.ts";
import { tagImage } from "../../src/images/tag-image.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { refuse, status } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { writeModule } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

let dir: string;
let store: ImageStore;
let hub: FaultRegistry;
let client: RegistryClient;

beforeEach(async () => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
  hub = await startFaultRegistry();
  client = createRegistryClient({ env: {} });
});
afterEach(async () => {
  client.close();
  await hub.close();
});

const SIZE = 200_000;
const build = async (name: string): Promise<string> => {
  const file = writeModule(dir, "module.wasm", SIZE);
  await importImage({ store }, { file, reference: ref(`${hub.host}/${name}`), check: true });
  return digestOf(readFileSync(file));
};
const push = async (name: string, more: Partial<PushRequest> = {}, from = store): Promise<PushResult> =>
  await pushImage({ store: from, registry: client }, { reference: ref(`${hub.host}/${name}`), ...more });

describe("pushing to another repository of a registry", () => {
  it("uploads nothing the registry has where the store knows of it", async () => {
    const module = await build("team/a:v1");
    const first = await push("team/a:v1");
    expect(first).toMatchObject({ requests: 7, mountedBytes: 0 });
    expect(first.uploadedBytes).toBeGreaterThan(SIZE);
    await tagImage({ store }, { source: ref(`${hub.host}/team/a:v1`), target: ref(`${hub.host}/team/b:v1`) });
    const second = await push("team/b:v1");
    expect(second).toMatchObject({ uploadedBytes: 0, mountedBytes: first.uploadedBytes, skippedBytes: 0 });
    expect(second.requests).toBeLessThan(7);
    expect(second.blobs.map(({ placement }) => placement)).toEqual(["mounted", "mounted"]);
    const pulled = await pullImage(
      { store: openStore(join(dir, "fresh")), registry: client },
      { reference: ref(`${hub.host}/team/b:v1`) },
    );
    expect(pulled).toMatchObject({ moduleDigest: module, requests: 3, skippedBytes: 0 });
    expect(await push("team/b:v1")).toMatchObject({ unchanged: true, requests: 1 });
  });

  it("is told by --mount-from what the store does not know, and a wrong hint does no harm", async () => {
    await build("team/a:v1");
    await push("team/a:v1");
    const other = openStore(join(dir, "other"));
    const file = join(dir, "module.wasm");
    await importImage({ store: other }, { file, reference: ref(`${hub.host}/team/b:v1`), check: true });
    const wrong = await push("team/c:v1", { mountFrom: ["no/such"] }, await named(other, "team/c:v1"));
    expect(wrong).toMatchObject({ mountedBytes: 0 });
    expect(wrong.uploadedBytes).toBeGreaterThan(SIZE);
    const right = await push("team/b:v1", { mountFrom: ["team/a"] }, other);
    expect(right.mountedBytes).toBeGreaterThan(SIZE);
  });

  async function named(from: ImageStore, name: string): Promise<ImageStore> {
    const [source] = await from.names();
    await tagImage({ store: from }, { source: ref(source?.reference ?? ""), target: ref(`${hub.host}/${name}`) });
    return from;
  }

  it.each([
    ["415", refuse(415, "UNSUPPORTED", "unsupported media type")],
    ["415 without a word", status(415)],
    ["400, as GitLab says it", refuse(400, "MANIFEST_INVALID", "unknown media type: application/vnd.module.wasm")],
  ])("falls back to compat under auto when the manifest is refused: %s", async (_case, fault) => {
    const module = await build("team/a:v1");
    const events: ProgressEvent[] = [];
    hub.on("manifest.put", fault, 1);
    const request = { reference: ref(`${hub.host}/team/a:v1`), format: "auto" } as const;
    const result = await pushImage({ store, registry: client }, request, (event) => void events.push(event));
    expect(result).toMatchObject({ format: "compat", refused: { format: "oci" }, unchanged: false });
    expect(result.requests).toBe(hub.requests.length);
    expect(events.filter(({ type }) => type === "warning")).toHaveLength(1);
    const pulled = await pullImage(
      { store: openStore(join(dir, "fresh")), registry: client },
      { reference: request.reference },
    );
    expect(pulled).toMatchObject({ moduleDigest: module, manifestDigest: result.manifestDigest, format: "compat" });
  });
});
