import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { type RegistryOptions, type RunningRegistry, startRegistry } from "../components/registry.ts";
import { component } from "../components/require-component.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { startHub } from "../support/hub.ts";
import { testReferrer } from "../support/referrers.ts";

interface Server extends Pick<RunningRegistry, "host" | "caFile" | "user"> {
  stop(): Promise<void>;
}

function connect({ caFile, user }: Server): RegistryClient {
  const credential: Credential | undefined = user && { ...user, kind: "basic" };
  const trust = caFile === undefined ? {} : { caFile };
  return createRegistryClient({ env: {}, credentials: () => Promise.resolve(credential), ...trust });
}

async function startOurs(): Promise<Server> {
  const hub = await startHub();
  return { host: hub.host, caFile: undefined, user: undefined, stop: () => hub.close() };
}

/** Name, what it does with a tag, how to start it. */
const servers: readonly (readonly [string, "deletes" | "refuses", () => Promise<Server>])[] = [
  ["our own", "deletes", startOurs],
  ...registryKinds.flatMap((kind) => {
    const tags = kind === "docker-registry" ? ("refuses" as const) : ("deletes" as const);
    const modes: readonly RegistryOptions[] = [{ kind }, { kind, auth: "token", tls: true }];
    return modes.map((mode) => [`${kind} ${mode.auth ?? "open"}`, tags, () => startRegistry(mode)] as const);
  }),
];

describe.each(servers)("deleting at %s", async (name, tags, start) => {
  const [kind = ""] = name.split(" ", 1);
  const found = await component(componentOf[kind as keyof typeof componentOf] ?? "hub", start);
  const server = "ready" in found ? found.ready : undefined;
  const image = testImage(1000, name);
  let client: RegistryClient;

  beforeAll(() => {
    if (server !== undefined) client = connect(server);
  });
  afterAll(async () => {
    if (server === undefined) return;
    client.close();
    await server.stop();
  });

  async function open(repository: string): Promise<Repository> {
    const to = client.repository(parseImageReference(`${server?.host ?? ""}/${repository}:v1`), "push");
    await pushTestImage(to, image, "v1");
    await pushTestImage(to, image, "v2");
    return to;
  }

  it.skipIf(server === undefined)("takes a manifest and all its tags by its digest", async () => {
    const to = await open("demo/digest");
    const { digest } = image.manifestDescriptor;
    expect(await to.deleteManifest(digest)).toBe(true);
    expect(await to.resolve(digest)).toBeUndefined();
    expect(await to.resolve("v1")).toBeUndefined();
    expect(await to.deleteManifest(digest)).toBe(false);
  });

  it.skipIf(server === undefined)(`${tags} a tag, and never what it stands for`, async () => {
    const to = await open("demo/tag");
    const told = (): Promise<unknown> => to.deleteManifest("v1").catch((error: unknown) => error);
    const refusal = expect.objectContaining({ kind: "failed", code: "DELETE_UNSUPPORTED" });
    expect([await told(), await told()]).toEqual(tags === "deletes" ? [true, false] : [refusal, refusal]);
    expect(await to.resolve("v1")).toEqual(tags === "deletes" ? undefined : image.manifestDescriptor);
    expect(await to.resolve("v2")).toEqual(image.manifestDescriptor);
  });

  it.skipIf(server === undefined)("takes a blob nobody needs, and says when there is none", async () => {
    const to = await open("demo/blob");
    const spare = testImage(500, `spare ${name}`);
    await pushTestImage(to, spare, "v1");
    await to.deleteManifest(spare.manifestDescriptor.digest);
    expect(await to.deleteBlob(spare.moduleDescriptor.digest)).toBe(true);
    expect(await to.exists(spare.moduleDescriptor)).toBe(false);
    await pushTestImage(to, spare, "v1");
    expect(await to.exists(spare.moduleDescriptor)).toBe(true);
    expect(await to.deleteManifest(spare.manifestDescriptor.digest)).toBe(true);
    expect(await to.deleteBlob(digestOf("nothing"))).toBe(false);
  });
});

/** What registries that do not delete say, and how little is asked. */
describe("deleting where the registry is in the way", () => {
  const image = testImage(1000);
  const { digest } = image.manifestDescriptor;
  let registry: FaultRegistry;
  let client: RegistryClient;
  let repository: Repository;

  beforeEach(async () => {
    registry = await startFaultRegistry();
    client = createRegistryClient({ env: {}, clock: fakeClock() });
    repository = client.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push");
    await pushTestImage(repository, image);
    registry.reset();
  });
  afterEach(async () => {
    client.close();
    await registry.close();
  });
  const deletes = ({ method }: { readonly method: string }): boolean => method === "DELETE";

  it.each([400, 405, 501])("says that it does not (%i), and what it said", async (status) => {
    registry.on(deletes, fault.refuse(status, "UNSUPPORTED", "switched off"));
    await expect(repository.deleteManifest("v1")).rejects.toMatchObject({
      kind: "failed",
      code: "DELETE_UNSUPPORTED",
      message: expect.stringMatching(/refused to delete demo\/filter:v1 \(\d+.*: switched off\)$/u),
      details: { status, registryCode: "UNSUPPORTED" },
    });
    await expect(repository.deleteBlob(digest)).rejects.toMatchObject({ code: "DELETE_UNSUPPORTED" });
  });

  it("tells a missing right from a missing ability", async () => {
    registry.on(deletes, fault.refuse(403, "DENIED", "no"));
    await expect(repository.deleteManifest(digest)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
  });

  it("tries again, and takes a 404 after a lost answer for done", async () => {
    registry.on(deletes, fault.status(503), 1);
    registry.on(deletes, fault.loseAnswer(), 1);
    expect(await repository.deleteManifest("v1")).toBe(true);
    expect(registry.requests.filter(deletes)).toHaveLength(3);
    expect(await repository.deleteManifest("v1")).toBe(false);
  });

  it("takes one request for a tag, and looks for a subject before a digest", async () => {
    await repository.deleteManifest("v1");
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.delete"]);
    registry.reset();
    await pushTestImage(repository, image);
    registry.reset();
    await repository.deleteManifest(digest);
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.get", "manifest.delete"]);
  });

  it("deletes a manifest that is damaged", async () => {
    registry.on("manifest.get", fault.wrongByte());
    expect(await repository.deleteManifest(digest)).toBe(true);
  });

  it("does not look for a list where the registry is known to keep it", async () => {
    const referrer = testReferrer(image.manifestDescriptor, { config: image.configDescriptor.mediaType });
    await repository.referrers(digest);
    registry.reset();
    await repository.deleteManifest(referrer.descriptor.digest);
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.delete"]);
  });
});
