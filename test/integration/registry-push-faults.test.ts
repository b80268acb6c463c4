import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BodySource, bytesSource } from "../../src/domain/content.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { type FakeClock, fakeClock } from "../support/fault-clock.ts";
import { pullTestImage, pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, type RequestClass, startFaultRegistry } from "../support/fault-registry.ts";

/** One fault at a time while an image of 2 MB is pushed: the registry has all of it in the end, or the error says why. */
describe("pushing to a registry with faults", () => {
  let registry: FaultRegistry;
  let client: RegistryClient;
  let clock: FakeClock;
  const image = testImage(2_000_000);

  beforeEach(async () => {
    registry = await startFaultRegistry();
    clock = fakeClock();
    client = createRegistryClient({ env: {}, clock, idleTimeoutMs: 60_000 });
  });
  afterEach(async () => {
    client.close();
    await registry.close();
  });

  function repository(name = "demo/filter"): Repository {
    return client.repository(parseImageReference(`${registry.host}/${name}:v1`), "push");
  }

  /** Pushes, reads everything back without faults, and names the parts that are not as they were. */
  async function wrongAfterPush(): Promise<readonly string[]> {
    await pushTestImage(repository(), image);
    registry.reset();
    const reader = createRegistryClient({ env: {} });
    const got = await pullTestImage(reader.repository(parseImageReference(`${registry.host}/demo/filter:v1`)), image);
    reader.close();
    return (["manifest", "config", "module"] as const).filter((part) => Buffer.compare(got[part], image[part]) !== 0);
  }

  it("takes six requests: a question, two uploads of a POST and a PUT, the manifest", async () => {
    await pushTestImage(repository(), image);
    const kinds = registry.requests.map(({ kind }) => kind).toSorted();
    expect(kinds).toEqual(["blob.head", "manifest.put", "upload.post", "upload.post", "upload.put", "upload.put"]);
    expect(registry.requests.at(-1)?.kind).toBe("manifest.put");
  });

  it("uploads nothing that is there", async () => {
    await pushTestImage(repository(), image);
    registry.reset();
    const second = createRegistryClient({ env: {} });
    const to = second.repository(parseImageReference(`${registry.host}/demo/filter:v2`), "push");
    await to.push(image.moduleDescriptor, bytesSource(image.module));
    second.close();
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["blob.head"]);
  });

  const classes: readonly RequestClass[] = ["blob.head", "upload.post", "upload.put", "manifest.put"];

  it.each([500, 502, 503, 504, 429])("recovers from %i on the first two requests of each kind", async (status) => {
    for (const kind of classes) registry.on(kind, fault.status(status), 2);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it("waits for Retry-After and replays the whole body", async () => {
    for (const kind of classes) registry.on(kind, fault.status(503, { "retry-after": "1" }), 2);
    expect(await wrongAfterPush()).toEqual([]);
    expect(clock.waits).toHaveLength(8);
    expect(Math.min(...clock.waits)).toBeGreaterThanOrEqual(1000);
  });

  it.each([1, 3])("recovers from a reset after 10 kB, %i time(s)", async (times) => {
    registry.on("upload.put", fault.resetUpload(10_000), times);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it("recovers from a lost answer to a blob without sending it again", async () => {
    registry.on("upload.put", fault.loseAnswer(), 1);
    await repository().push(image.moduleDescriptor, bytesSource(image.module));
    expect(registry.count("upload.put")).toBe(1);
    expect(registry.count("blob.head")).toBe(2);
    expect(await registry.store.sizeOf(image.moduleDescriptor.digest)).toBe(image.module.byteLength);
  });

  it("recovers from a lost answer to a manifest", async () => {
    registry.on("manifest.put", fault.loseAnswer(), 1);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it("starts over when the session is gone", async () => {
    registry.on("upload.put", fault.refuse(404, "BLOB_UPLOAD_UNKNOWN", "gone"), 1);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it("takes 204 for 201", async () => {
    const noContent = fault.change(() => ({ status: 204 }));
    registry.on("upload.put", noContent);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it.each([
    ["HEAD is not allowed", "blob.head", fault.status(405)],
    ["HEAD is not understood", "blob.head", fault.status(400)],
    ["there is no digest header", "manifest.put", fault.headers({ "docker-content-digest": "" })],
    ["Location is absolute", "upload.post", absoluteLocation()],
    ["Location has a query", "upload.post", locationWithQuery()],
    ["Location is elsewhere", "upload.post", fault.locationElsewhere()],
    ["the blob goes elsewhere by a redirect", "upload.put", fault.redirectElsewhere(307)],
  ] as const)("pushes when %s", async (_name, kind, script) => {
    registry.on(kind, script);
    expect(await wrongAfterPush()).toEqual([]);
  });

  it("keeps the query of a Location as it is", async () => {
    registry.on("upload.post", locationWithQuery());
    await repository().push(image.configDescriptor, bytesSource(image.config));
    const put = registry.requests.find(({ kind }) => kind === "upload.put");
    expect(put?.path).toContain(`?_state=a%2Fb%3D%3D&x=1&digest=${image.configDescriptor.digest}`);
  });

  it.each([
    ["nowhere", { location: "" }, "UPLOAD_REFUSED"],
    ["to a file", { location: "file:///tmp/x" }, "REDIRECT_REFUSED"],
    ["to a metadata service", { location: "http://169.254.169.254/upload" }, "REDIRECT_REFUSED"],
  ])("refuses an upload that leads %s", async (_name, head, code) => {
    registry.on("upload.post", fault.headers(head));
    const pushing = repository().push(image.configDescriptor, bytesSource(image.config));
    await expect(pushing).rejects.toMatchObject({ code });
    expect(registry.count("upload.put")).toBe(0);
  });

  it("refuses a registry that stored another manifest", async () => {
    registry.on("manifest.put", fault.headers({ "docker-content-digest": image.configDescriptor.digest }));
    await expect(pushTestImage(repository(), image)).rejects.toMatchObject({ code: "MANIFEST_DAMAGED" });
  });

  it.each([
    ["415", fault.status(415)],
    ["MANIFEST_INVALID", fault.refuse(400, "MANIFEST_INVALID", "unknown media type")],
  ])("hints at --format compat on %s", async (_name, refusal) => {
    registry.on("manifest.put", refusal);
    await expect(pushTestImage(repository(), image)).rejects.toMatchObject({
      code: "MANIFEST_REFUSED",
      kind: "failed",
      hint: expect.stringContaining("--format compat"),
    });
  });

  it("refuses content that is not what its descriptor says, and ends the session", async () => {
    const wrong = Buffer.alloc(image.module.byteLength, 1);
    const pushing = repository().push(image.moduleDescriptor, bytesSource(wrong));
    await expect(pushing).rejects.toMatchObject({ kind: "failed", code: "REGISTRY_REFUSED" });
    expect(registry.count("upload.delete")).toBe(1);
    expect(await registry.store.sizeOf(image.moduleDescriptor.digest)).toBeUndefined();
  });

  it("passes an error of the source on as it is, without another try", async () => {
    const broken: BodySource = {
      size: 2_000_000,
      async *open() {
        yield new Uint8Array(1000);
        await Promise.resolve();
        throw new Error("the disk is gone");
      },
    };
    const pushing = repository().push(image.moduleDescriptor, broken);
    await expect(pushing).rejects.toThrow("the disk is gone");
    expect(registry.count("upload.post")).toBe(1);
  });

  it("ends the session and rejects with the reason when it is aborted", async () => {
    const stop = new AbortController();
    const endless: BodySource = {
      size: 2_000_000,
      async *open() {
        yield new Uint8Array(1000);
        stop.abort(new Error("Ctrl-C"));
        await new Promise((resolve) => setTimeout(resolve, 10_000));
      },
    };
    const pushing = repository().push(image.moduleDescriptor, endless, stop.signal);
    await expect(pushing).rejects.toThrow("Ctrl-C");
    expect(registry.count("upload.delete")).toBe(1);
  });

  it("uploads a digest once to a repository, however often it is pushed", async () => {
    const twice = [repository(), repository()];
    await Promise.all(
      twice.flatMap((to) => [1, 2].map(() => to.push(image.moduleDescriptor, bytesSource(image.module)))),
    );
    expect(registry.count("upload.post")).toBe(1);
    await repository("other/place").push(image.configDescriptor, bytesSource(image.config));
    expect(registry.count("upload.post")).toBe(2);
  });

  it("tries again after a failed upload", async () => {
    registry.on("upload.post", fault.refuse(400, "UNSUPPORTED", "not now"), 1);
    const to = repository();
    await expect(to.push(image.configDescriptor, bytesSource(image.config))).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
    });
    await to.push(image.configDescriptor, bytesSource(image.config));
    expect(await to.exists(image.configDescriptor)).toBe(true);
  });

  it("ends when the whole and the end of its pieces are too large", async () => {
    registry.on("upload.put", fault.status(413));
    await expect(repository().push(image.moduleDescriptor, bytesSource(image.module))).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
    });
    expect(registry.count("upload.put")).toBe(2);
    expect(registry.count("upload.delete")).toBe(1);
  });

  it("pushes and finds manifests by descriptor", async () => {
    const to = repository();
    await pushTestImage(to, image);
    expect(await to.exists(image.manifestDescriptor)).toBe(true);
    await to.push(image.manifestDescriptor, bytesSource(image.manifest));
    expect(await to.exists({ ...image.manifestDescriptor, mediaType: MediaType.ociManifest })).toBe(true);
    expect(await to.tags()).toEqual(["v1"]);
  });
});

function absoluteLocation(): ReturnType<typeof fault.change> {
  return fault.change((answer, { request }) => {
    const location = new URL(answer.headers["location"] ?? "", `http://${request.headers.host ?? ""}`).href;
    return { headers: { ...answer.headers, location } };
  });
}

function locationWithQuery(): ReturnType<typeof fault.change> {
  return fault.change((answer) => {
    return { headers: { ...answer.headers, location: `${answer.headers["location"] ?? ""}?_state=a%2Fb%3D%3D&x=1` } };
  });
}
