import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import type { CredentialSource } from "../../src/registry/credential.ts";
import { component } from "../components/require-component.ts";
import { type RunningRegistry, startRegistry } from "../components/registry.ts";
import { componentOf, type RegistryKind, registryKinds } from "../components/registry-kinds.ts";
import { alice } from "../components/users.ts";
import { testImage } from "../support/fault-image.ts";
import { pinned, push, startTestCache } from "./cache-support.ts";

const asAlice: CredentialSource = () =>
  Promise.resolve({ kind: "basic", username: alice.username, password: alice.password });

const running = await Promise.all(registryKinds.map((kind) => start(kind)));

async function start(
  kind: RegistryKind,
): Promise<{ readonly kind: RegistryKind; readonly found: Awaited<ReturnType<typeof open>> }> {
  return { kind, found: await open(kind) };
}

function open(kind: RegistryKind) {
  return component(componentOf[kind], () => startRegistry({ kind, auth: "htpasswd" }));
}

describe.each(running)("a private image of $kind", ({ found }) => {
  let registry: RunningRegistry;
  const image = testImage(30_000, "private");
  let reference: string;

  beforeAll(async () => {
    if ("skip" in found) return;
    registry = found.ready;
    reference = await push(registry.host, "team/private:v1", image, asAlice);
  });
  afterAll(() => ("skip" in found ? undefined : registry.stop()));

  it.skipIf("skip" in found)("is served to who knows a digest of it, and to nobody by its name", async () => {
    const cache = await startTestCache({ references: [reference], credentials: asAlice });
    await cache.ready();
    expect(digestOf((await cache.module(image.moduleDescriptor.digest)).body)).toBe(image.moduleDescriptor.digest);
    const manifest = image.manifestDescriptor.digest;
    const status = async (path: string): Promise<number> => (await cache.get(`/${path}`)).status;
    expect(await status(reference)).toBe(404);
    expect(await status("v2/team/private/manifests/v1")).toBe(404);
    expect(await status(pinned(reference, image))).toBe(200);
    expect(await status(`v2/team/private/manifests/${manifest}`)).toBe(200);
    await cache.stop();
    const again = await startTestCache({ references: [reference], directory: cache.directory, credentials: asAlice });
    await again.ready();
    expect((await again.get(`/${reference}`)).status).toBe(404);
  });

  it.skipIf("skip" in found)("is failed, and not served, without a credential", async () => {
    const cache = await startTestCache({ references: [reference] });
    await cache.ready();
    expect(await cache.metric('wasme_cache_entries{state="failed"}')).toBe(1);
    expect((await cache.module(image.moduleDescriptor.digest)).status).toBe(503);
    expect((await cache.get(`/${reference}`)).status).toBe(503);
    expect((await cache.get(`/${pinned(reference, image)}`)).status).toBe(404);
  });
});
