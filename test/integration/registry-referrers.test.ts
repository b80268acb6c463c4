import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/domain/descriptor.ts";
import { describe as descriptorOf } from "../../src/domain/descriptor.ts";
import { type Digest, digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { startRegistry } from "../components/registry.ts";
import { component } from "../components/require-component.ts";
import { type FakeClock, fakeClock } from "../support/fault-clock.ts";
import { type Fault, send } from "../support/fault-exchange.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { startHub } from "../support/hub.ts";
import { tempDir } from "../support/temp-dir.ts";
import { pushEmpty, pushReferrer, putReferrer, type TestReferrer, testReferrer } from "../support/referrers.ts";

const SIGNATURE = "application/vnd.example.signature";
const SBOM = "application/spdx+json";

interface Started {
  readonly host: string;
  stop(): Promise<void>;
}

async function startOurs(): Promise<Started> {
  const hub = await startHub();
  return { host: hub.host, stop: () => hub.close() };
}

const servers: readonly (readonly [string, boolean, () => Promise<Started>])[] = [
  ["our own", true, startOurs],
  ...registryKinds.map((kind) => [kind, kind === "zot", () => startRegistry({ kind })] as const),
];

describe.each(servers)("referrers at %s", async (name, hasApi, start) => {
  const image = testImage(1000, name);
  const found = await component(componentOf[name as keyof typeof componentOf] ?? "hub", start);
  let client: RegistryClient;

  beforeAll(() => {
    client = createRegistryClient({ env: {} });
  });
  afterAll(async () => {
    client.close();
    if ("ready" in found) await found.ready.stop();
  });
  const server = "ready" in found ? found.ready : undefined;

  /** A repository of its own, with the image in it. */
  async function open(repository: string): Promise<Repository> {
    const to = client.repository(parseImageReference(`${server?.host ?? ""}/${repository}:v1`), "push");
    await pushTestImage(to, image);
    return to;
  }

  it.skipIf(server === undefined)("are listed with type and annotations, all or those of a type", async () => {
    const to = await open("demo/listed");
    // This zot is from before the specification was final: it takes the type of the config for the type of the artifact.
    const typed = name === "zot" ? { config: SIGNATURE } : { artifactType: SIGNATURE };
    const signature = testReferrer(image.manifestDescriptor, { ...typed, annotations: { by: "me" } });
    const sbom = testReferrer(image.manifestDescriptor, { config: SBOM });
    expect(await to.referrers(image.manifestDescriptor.digest)).toEqual([]);
    for (const each of [signature, sbom, signature]) await pushReferrer(to, each);
    const described = [
      { ...signature.descriptor, artifactType: SIGNATURE, annotations: { by: "me" } },
      { ...sbom.descriptor, artifactType: SBOM },
    ];
    expect(sorted(await to.referrers(image.manifestDescriptor.digest))).toEqual(sorted(described));
    const { digest } = image.manifestDescriptor;
    expect(await to.referrers(digest, { artifactType: SIGNATURE })).toEqual([described[0]]);
    expect(await to.referrers(digest, { artifactType: "text/none" })).toEqual([]);
    expect(await to.referrers(signature.descriptor.digest)).toEqual([]);
    const tags = await to.tags();
    expect(tags?.includes(digest.replace(":", "-"))).toBe(!hasApi);
  });

  it.skipIf(server === undefined)("are none in a repository that is not there", async () => {
    const none = client.repository(parseImageReference(`${server?.host ?? ""}/demo/none:v1`));
    expect(await none.referrers(image.manifestDescriptor.digest)).toEqual([]);
  });

  it.skipIf(server === undefined)("are all kept when several are pushed at once", async () => {
    await pushEmpty(await open("demo/at-once"));
    const clients = Array.from({ length: 5 }, () => createRegistryClient({ env: {} }));
    const referrers = clients.map((_each, at) => {
      return testReferrer(image.manifestDescriptor, { artifactType: SIGNATURE, annotations: { at: String(at) } });
    });
    const reference = parseImageReference(`${server?.host ?? ""}/demo/at-once:v1`);
    await Promise.all(clients.map((each, at) => putReferrer(each.repository(reference, "push"), pick(referrers, at))));
    for (const each of clients) each.close();
    const listed = await client.repository(reference).referrers(image.manifestDescriptor.digest);
    expect(digests(listed)).toEqual(digests(referrers.map(({ descriptor }) => descriptor)));
  });

  it.skipIf(server === undefined)("are no longer listed once they are deleted", async () => {
    const to = await open("demo/deleted");
    const [gone, stays] = ["gone", "stays"].map((what) => {
      return testReferrer(image.manifestDescriptor, { artifactType: SIGNATURE, annotations: { what } });
    }) as [TestReferrer, TestReferrer];
    for (const each of [gone, stays]) await pushReferrer(to, each);
    expect(await to.deleteManifest(gone.descriptor.digest)).toBe(true);
    expect(digests(await to.referrers(image.manifestDescriptor.digest))).toEqual([stays.descriptor.digest]);
    expect(await to.resolve(gone.descriptor.digest)).toBeUndefined();
    expect(await to.deleteManifest(gone.descriptor.digest)).toBe(false);
  });
});

/** Registries that list referrers badly, or not at all. */
describe("referrers where the registry is in the way", () => {
  const image = testImage(1000);
  const { digest } = image.manifestDescriptor;
  const tag = digest.replace(":", "-");
  const signature = testReferrer(image.manifestDescriptor, { artifactType: SIGNATURE });
  const sbom = testReferrer(image.manifestDescriptor, { artifactType: SBOM });
  let registry: FaultRegistry;
  let client: RegistryClient;
  let clock: FakeClock;
  let repository: Repository;

  beforeEach(async () => {
    registry = await startFaultRegistry();
    clock = fakeClock();
    client = createRegistryClient({ env: {}, clock });
    repository = open();
    await pushTestImage(repository, image);
    registry.reset();
  });
  afterEach(async () => {
    client.close();
    await registry.close();
  });

  function open(): Repository {
    return client.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push");
  }

  /** No API, and nothing said of subjects. */
  function withoutApi(status = 404): void {
    registry.on("referrers", fault.status(status));
    registry.on(
      ({ kind, path }) => kind === "manifest.put" && !path.includes(tag),
      fault.headers({ "oci-subject": "" }),
    );
  }

  /** What is under the tag, as JSON. */
  async function index(): Promise<{ readonly manifests: readonly Record<string, unknown>[] }> {
    const answer = await fetch(`${registry.url}/v2/demo/filter/manifests/${tag}`, {
      headers: { accept: MediaType.ociIndex },
    });
    return (await answer.json()) as { manifests: Record<string, unknown>[] };
  }

  /** Puts an index of its own there, past the faults. */
  async function overwrite(manifests: readonly unknown[], more: Record<string, unknown> = {}): Promise<void> {
    const body = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests, ...more });
    const headers = { "content-type": MediaType.ociIndex };
    const answer = await fetch(`${registry.elsewhere}/v2/demo/filter/manifests/${tag}`, {
      method: "PUT",
      headers,
      body,
    });
    expect(answer.status).toBe(201);
  }

  it.each([404, 400, 405, 501])("are kept under a tag where the API answers %i; it is asked once", async (status) => {
    withoutApi(status);
    await pushReferrer(repository, signature);
    expect(await repository.referrers(digest)).toEqual([{ ...signature.descriptor, artifactType: SIGNATURE }]);
    expect(await open().referrers(digest)).toHaveLength(1);
    expect(registry.count("referrers")).toBe(1);
  });

  it("are not asked of the API again once it was seen, nor kept under a tag", async () => {
    await pushReferrer(repository, signature);
    expect(await repository.referrers(digest)).toHaveLength(1);
    expect(registry.requests.filter(({ path }) => path.includes(tag))).toEqual([]);
  });

  it("are not kept under a tag where the registry lists them without saying so", async () => {
    registry.on("manifest.put", fault.headers({ "oci-subject": "" }));
    await pushReferrer(repository, signature);
    expect(await repository.referrers(digest)).toHaveLength(1);
    expect(registry.requests.filter(({ path }) => path.includes(tag))).toEqual([]);
  });

  it("are kept under a tag when the registry names another subject than ours", async () => {
    const other = digestOf("other");
    registry.on("referrers", fault.status(404));
    registry.on(({ path }) => path.endsWith(signature.descriptor.digest), fault.headers({ "oci-subject": other }));
    await pushReferrer(repository, signature);
    expect((await index()).manifests).toHaveLength(1);
  });

  it("are read from the tag when the API's answer is a web page", async () => {
    withoutApi();
    await pushReferrer(repository, signature);
    registry.reset();
    registry.on(
      "referrers",
      fault.change(() => ({ status: 200, headers: { "content-type": "text/html" }, body: Buffer.from("<html>") })),
    );
    const fresh = createRegistryClient({ env: {} });
    const from = fresh.repository(parseImageReference(`${registry.host}/demo/filter:v1`));
    expect(await from.referrers(digest)).toHaveLength(1);
    fresh.close();
  });

  it("are refused when an image is under their tag", async () => {
    withoutApi();
    await pushTestImage(repository, image, tag);
    await expect(repository.referrers(digest)).rejects.toMatchObject({
      kind: "failed",
      code: "REFERRERS_INVALID",
      message: expect.stringContaining(`the tag ${tag} of ${registry.host}/demo/filter`),
    });
    await expect(pushReferrer(repository, signature)).rejects.toMatchObject({ code: "REFERRERS_INVALID" });
  });

  /** Pages of the API; `filtered` as the registry says. */
  function page(manifests: readonly unknown[], head: Record<string, string> = {}): Fault {
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
    return fault.change(() => ({ status: 200, headers: { "content-type": MediaType.ociIndex, ...head }, body }));
  }
  const entry = ({ descriptor }: TestReferrer, artifactType: string): object => ({ ...descriptor, artifactType });

  it("are gathered from all pages, each once, and filtered by us unless the registry did", async () => {
    const next = { link: `</v2/demo/filter/referrers/${digest}?page=2>; rel="next"` };
    registry.on("referrers", page([entry(signature, SIGNATURE)], next), 1);
    registry.on("referrers", page([entry(sbom, SBOM), entry(signature, SIGNATURE)]), 1);
    expect(await repository.referrers(digest, { artifactType: SBOM })).toEqual([entry(sbom, SBOM)]);
    expect(registry.requests.map(({ path }) => new URL(path, registry.url).search)).toEqual([
      `?artifactType=${encodeURIComponent(SBOM)}`,
      "?page=2",
    ]);
    registry.on("referrers", page([sbom.descriptor], { "oci-filters-applied": "artifactType" }), 1);
    expect(await repository.referrers(digest, { artifactType: SBOM })).toEqual([sbom.descriptor]);
  });

  it.each([
    ["a page on another host", () => page([], { link: '<http://evil.test/v2/x>; rel="next"' })],
    ["pages in a circle", () => page([], { link: `</v2/demo/filter/referrers/${digest}>; rel="next"` })],
    ["an entry that is no descriptor", () => page([{ digest: "sha256:short" }])],
    ["no list", () => page({} as unknown as [])],
  ])("are refused for %s", async (_name, script) => {
    registry.on("referrers", script());
    await expect(repository.referrers(digest)).rejects.toMatchObject({ code: "LIST_INVALID" });
  });

  it("are refused without a right to read", async () => {
    registry.on("referrers", fault.refuse(403, "DENIED", "no"));
    await expect(repository.referrers(digest)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
  });

  /** A repository of a registry of which the settings say this. */
  async function known(referrers: "api" | "tag", use: (repository: Repository) => Promise<void>): Promise<void> {
    const configFile = join(tempDir(), "registries.json");
    writeFileSync(configFile, JSON.stringify({ registries: { [registry.host]: { referrers } } }));
    const own = createRegistryClient({ env: {}, clock, configFile });
    await use(own.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push"));
    own.close();
  }

  it("are kept under a tag, whatever the registry says, when the settings say so", async () => {
    await known("tag", async (own) => {
      await pushReferrer(own, signature);
      expect(await own.referrers(digest)).toHaveLength(1);
      expect(await own.deleteManifest(signature.descriptor.digest)).toBe(true);
      expect((await index()).manifests).toEqual([]);
      expect(registry.count("referrers")).toBe(0);
    });
  });

  it("are left to the API, whatever the registry says, when the settings say so", async () => {
    withoutApi();
    await known("api", async (own) => {
      await pushReferrer(own, signature);
      expect(await own.referrers(digest)).toEqual([]);
      expect(await own.deleteManifest(signature.descriptor.digest)).toBe(true);
      expect(registry.requests.filter(({ path }) => path.includes(tag))).toEqual([]);
    });
  });

  describe("under the tag", () => {
    beforeEach(() => withoutApi());

    it("keep what others wrote, to the last field", async () => {
      const theirs = { ...entry(sbom, SBOM), data: "e30=", urls: ["https://x.test"], "x-more": { deep: [1, null] } };
      await pushReferrer(repository, sbom);
      await overwrite([theirs], { annotations: { kept: "yes" }, "x-index": true });
      await pushReferrer(repository, signature);
      expect(await index()).toEqual({
        schemaVersion: 2,
        mediaType: MediaType.ociIndex,
        annotations: { kept: "yes" },
        "x-index": true,
        manifests: [theirs, { ...signature.descriptor, artifactType: SIGNATURE }],
      });
    });

    it("are written on condition that nobody else did meanwhile, and again when somebody had", async () => {
      await pushReferrer(repository, sbom);
      registry.reset();
      withoutApi();
      registry.on(({ kind, path }) => kind === "manifest.put" && path.includes(tag), fault.status(412), 1);
      await pushReferrer(repository, signature);
      const puts = registry.requests.filter(({ kind, path }) => kind === "manifest.put" && path.includes(tag));
      expect(puts.map(({ headers }) => headers["if-match"])).toEqual([
        expect.stringMatching(/^"/u),
        expect.stringMatching(/^"/u),
      ]);
      expect((await index()).manifests).toHaveLength(2);
    });

    it("are written without condition where every one is refused", async () => {
      await pushReferrer(repository, sbom);
      const conditional: Fault = async (exchange) => {
        if (exchange.request.headers["if-match"] === undefined) send(exchange.response, await exchange.answer());
        else await fault.status(412)(exchange);
      };
      registry.on(({ kind, path }) => kind === "manifest.put" && path.includes(tag), conditional);
      await pushReferrer(repository, signature);
      expect((await index()).manifests).toHaveLength(2);
    });

    it("are written again when another writer undid it", async () => {
      await pushReferrer(repository, sbom);
      const undone: Fault = async (exchange) => {
        const answer = await exchange.answer();
        await overwrite([entry(sbom, SBOM)]);
        send(exchange.response, answer);
      };
      registry.on(({ kind, path }) => kind === "manifest.put" && path.includes(tag), undone, 2);
      await pushReferrer(repository, signature);
      expect((await index()).manifests).toHaveLength(2);
      expect(clock.waits).toHaveLength(4);
    });

    it("give up on one that is never kept", async () => {
      const undone: Fault = async (exchange) => {
        const answer = await exchange.answer();
        await overwrite([]);
        send(exchange.response, answer);
      };
      registry.on(({ kind, path }) => kind === "manifest.put" && path.includes(tag), undone);
      await expect(pushReferrer(repository, signature)).rejects.toMatchObject({ code: "REFERRERS_BUSY" });
    });

    it("are told when they may not be written", async () => {
      registry.on(({ kind, path }) => kind === "manifest.put" && path.includes(tag), fault.refuse(403, "DENIED", "no"));
      await expect(pushReferrer(repository, signature)).rejects.toThrow(
        `refused to list what refers to ${digest} (403`,
      );
    });

    it("end at what one index can hold", async () => {
      const many = Array.from({ length: 4096 }, () => descriptorOf(MediaType.ociManifest, randomBytes(8)));
      const reply = page(many);
      registry.on(({ kind, path }) => kind === "manifest.get" && path.includes(tag), reply);
      await expect(pushReferrer(repository, signature)).rejects.toMatchObject({ code: "REFERRERS_INVALID" });
    });

    it("are shortened for sha512, as the tag may have no more digits", async () => {
      const long = `sha512:${"ab".repeat(64)}` as Digest;
      expect(await repository.referrers(long)).toEqual([]);
      expect(registry.requests.at(-1)?.path).toBe(`/v2/demo/filter/manifests/sha512-${"ab".repeat(32)}`);
    });
  });
});

function sorted(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return descriptors.toSorted((a, b) => a.digest.localeCompare(b.digest));
}

function digests(descriptors: readonly Descriptor[]): readonly Digest[] {
  return sorted(descriptors).map(({ digest }) => digest);
}

function pick<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new Error(`no item ${at}`);
  return found;
}
