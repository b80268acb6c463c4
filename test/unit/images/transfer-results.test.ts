import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { MountSources } from "../../../src/domain/content.ts";
import { type Digest, digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { importImage } from "../../../src/images/import-image.ts";
import { mountCandidates, parseMountSource } from "../../../src/images/mount-candidates.ts";
import { pullImage } from "../../../src/images/pull-image.ts";
import { pushImage, type PushRequest, type PushResult } from "../../../src/images/push-image.ts";
import type { Remote } from "../../../src/images/remote.ts";
import { tagImage } from "../../../src/images/tag-image.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { failure } from "../../support/failure.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { type StoreRegistry, storeRegistry } from "../../support/store-registry.ts";
import { tempDir } from "../../support/temp-dir.ts";

const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"] };
const HELLO = readFileSync(HELLO_WASM);
const MODULE = digestOf(HELLO);

let dir: string;
let store: ImageStore;
let registry: StoreRegistry;
let events: ProgressEvent[];
const sink = (event: ProgressEvent): void => void events.push(event);

beforeEach(() => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
  registry = storeRegistry(join(dir, "registry"));
  events = [];
});

const importHello = async (name: string): Promise<void> => {
  await importImage({ store }, { file: HELLO_WASM, reference: ref(name), runtimeConfig: CONFIG, check: true });
};
const push = (name: string, more: Partial<PushRequest> = {}, via: Remote = registry): Promise<PushResult> =>
  pushImage({ store, registry: via }, { reference: ref(name), ...more }, sink);
const noteOf = async (name: string): Promise<string | undefined> =>
  (await store.resolve(name))?.annotations?.["wasme.io/registry"];

describe("the result of a push", () => {
  it("tells of every blob, its bytes and the round trips", async () => {
    await importHello("h.io/a:v1");
    let requests = 100;
    const counted: Remote = {
      repository: (...args) => {
        requests += 7;
        return registry.repository(...args);
      },
      traffic: () => ({ requests }),
    };
    const first = await push("h.io/a:v1", {}, counted);
    const [config, module] = first.blobs;
    expect(first.blobs).toHaveLength(2);
    expect(config).toMatchObject({ mediaType: MediaType.soloConfig, placement: "written" });
    expect(module).toEqual({
      digest: MODULE,
      size: HELLO.byteLength,
      mediaType: MediaType.soloModule,
      placement: "written",
    });
    const total = HELLO.byteLength + (config?.size ?? 0);
    expect(first).toMatchObject({ uploadedBytes: total, mountedBytes: 0, skippedBytes: 0, requests: 7 });
    const second = await push("h.io/a:v1");
    expect(second).toMatchObject({ unchanged: true, uploadedBytes: 0, mountedBytes: 0, skippedBytes: total });
    expect(second.blobs.map(({ placement }) => placement)).toEqual(["present", "present"]);
    expect(second).not.toHaveProperty("requests");
  });

  it("tells what was mounted", async () => {
    await importHello("h.io/a:v1");
    const mounting: Remote = {
      repository: (reference, access, from) => {
        const real = registry.repository(reference, access);
        return {
          ...real,
          push: async (descriptor, body, signal) => {
            await real.push(descriptor, body, signal);
            return from?.(descriptor.digest).includes("team/base") === true ? "mounted" : "written";
          },
        };
      },
    };
    const result = await push("h.io/a:v1", { mountFrom: ["team/base"] }, mounting);
    expect(result).toMatchObject({ uploadedBytes: 0, skippedBytes: 0 });
    expect(result.mountedBytes).toBeGreaterThan(HELLO.byteLength);
  });

  it("names what the registry refused, under auto", async () => {
    registry = storeRegistry(join(dir, "strict"), (manifest) => {
      if (manifest.includes(MediaType.soloConfig)) throw new WasmeError("failed", "MANIFEST_REFUSED", "no artifacts");
    });
    await importHello("h.io/a:v1");
    const stored = (await store.resolve("h.io/a:v1"))?.digest;
    const result = await push("h.io/a:v1", { format: "auto" });
    expect(result).toMatchObject({ format: "compat", refused: { format: "oci", manifestDigest: stored } });
    expect(result.manifestDigest).not.toBe(stored);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "warning", message: expect.stringContaining(String(stored)) }),
    );
    expect(await push("h.io/a:v1", { format: "compat" })).not.toHaveProperty("refused");
    // A name that holds the digest cannot mean another image.
    expect(await failure(push(`h.io/a@${stored}`, { format: "auto" }))).toMatchObject({ code: "MANIFEST_REFUSED" });
    // What the registry does not have is not noted as being there.
    expect(await noteOf("h.io/a:v1")).toBeUndefined();
  });

  it("does not fall back for another refusal, nor from compat to compat", async () => {
    await importHello("h.io/a:v1");
    const refusing = (code: string): StoreRegistry =>
      storeRegistry(join(dir, code), () => {
        throw new WasmeError("failed", code, "no");
      });
    const denied = refusing("REGISTRY_DENIED");
    expect(await failure(push("h.io/a:v1", { format: "auto" }, denied))).toMatchObject({ code: "REGISTRY_DENIED" });
    expect(denied.log.filter((line) => line.startsWith("push"))).toHaveLength(2);
    const strict = refusing("MANIFEST_REFUSED");
    expect(await failure(push("h.io/a:v1", { format: "auto" }, strict))).toMatchObject({ code: "MANIFEST_REFUSED" });
    expect(strict.log.filter((line) => line.startsWith("push"))).toHaveLength(4);
  });
});

describe("the result of a pull", () => {
  it("tells what was downloaded and what was there", async () => {
    await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    const pull = (): ReturnType<typeof pullImage> =>
      pullImage({ store, registry }, { reference: ref("h.io/a:v1") }, sink);
    const kept = await pull();
    expect(kept).toMatchObject({ unchanged: true, downloadedBytes: 0 });
    expect(kept.skippedBytes).toBeGreaterThan(HELLO.byteLength);
    store = openStore(join(dir, "fresh"));
    const fresh = await pull();
    expect(fresh).toMatchObject({ unchanged: false, downloadedBytes: kept.skippedBytes, skippedBytes: 0 });
    expect(fresh.blobs.map(({ placement }) => placement)).toEqual(["written", "written"]);
  });
});

describe("knowing where content is", () => {
  it("is noted by a push and a pull, once, and does not move the time of the name", async () => {
    await importHello("h.io/a:v1");
    const before = await store.resolve("h.io/a:v1");
    await push("h.io/a:v1");
    expect(await noteOf("h.io/a:v1")).toBe("h.io/a");
    const after = await store.resolve("h.io/a:v1");
    expect(after?.annotations?.["wasme.io/updated"]).toBe(before?.annotations?.["wasme.io/updated"]);
    expect(after?.annotations).toMatchObject(before?.annotations ?? {});
    const index = (): string => readFileSync(join(store.dir, "index.json"), "utf8");
    const written = index();
    await push("h.io/a:v1");
    expect(index()).toBe(written);
    store = openStore(join(dir, "fresh"));
    await pullImage({ store, registry }, { reference: ref("h.io/a:v1") });
    expect(await noteOf("h.io/a:v1")).toBe("h.io/a");
  });

  it("is not noted for another format, and not taken over by a new name", async () => {
    await importHello("h.io/a:v1");
    await push("h.io/a:v1", { format: "compat" });
    expect(await noteOf("h.io/a:v1")).toBeUndefined();
    await push("h.io/a:v1");
    await tagImage({ store }, { source: ref("h.io/a:v1"), target: ref("h.io/b:v1") });
    expect(await noteOf("h.io/b:v1")).toBeUndefined();
    expect((await store.resolve("h.io/b:v1"))?.annotations).toHaveProperty(["wasme.io/module-digest"]);
  });

  it("does not fail the push when the store cannot be written, nor touch a name that moved", async () => {
    await importHello("h.io/a:v1");
    const refusing: ImageStore = Object.assign(Object.create(store) as ImageStore, bound(store), {
      note: () => Promise.reject(new WasmeError("failed", "READ_ONLY", "no")),
    });
    const request = { reference: ref("h.io/a:v1") };
    expect(await pushImage({ store: refusing, registry }, request)).toMatchObject({ unchanged: false });
    const other = digestOf("other");
    expect(await store.note("h.io/a:v1", other, { "wasme.io/registry": "h.io/x" })).toBe(false);
    expect(await store.note("h.io/none:v1", other, { "wasme.io/registry": "h.io/x" })).toBe(false);
    expect(await noteOf("h.io/a:v1")).toBeUndefined();
  });
});

/** The store's methods, which need it as their `this`. */
function bound(from: ImageStore): Partial<ImageStore> {
  return {
    dir: from.dir,
    resolve: (name) => from.resolve(name),
    entries: () => from.entries(),
    names: () => from.names(),
    manifest: (descriptor) => from.manifest(descriptor),
    fetch: (descriptor, signal) => from.fetch(descriptor, signal),
  };
}

describe("candidates for a mount", () => {
  const sources = async (target: string, hints: readonly string[] = []): Promise<MountSources> => {
    const candidates = mountCandidates(store, ref(target), hints);
    await candidates.lookFor([MODULE]);
    return candidates.sources;
  };

  it("are the other repositories of the registry that are known to have the blob", async () => {
    await importHello("h.io/a:v1");
    expect((await sources("h.io/b:v1"))(MODULE)).toEqual([]);
    for (const name of ["h.io/a:v1", "h.io/c:v1", "other.io/d:v1"]) {
      await importHello(name);
      await push(name);
    }
    expect((await sources("h.io/b:v1"))(MODULE)).toEqual(["a", "c"]);
    expect((await sources("h.io/a:v9"))(MODULE)).toEqual(["c"]);
    expect((await sources("other.io/b:v1"))(MODULE)).toEqual(["d"]);
    expect((await sources("h.io:5000/b:v1"))(MODULE)).toEqual([]);
    expect((await sources("h.io/b:v1"))(digestOf("unknown"))).toEqual([]);
  });

  it("end with the hints, for any blob, and are few", async () => {
    for (const name of ["a", "c"]) {
      await importHello(`h.io/${name}:v1`);
      await push(`h.io/${name}:v1`);
    }
    const find = await sources("h.io/b:v1", ["c", "team/base", "team/more"]);
    expect(find(MODULE)).toEqual(["a", "c", "team/base"]);
    expect(find(digestOf("unknown"))).toEqual(["c", "team/base", "team/more"]);
  });

  it.each(["h.io/../a", "h.io/a?x=1", "h.io/a b", "h.io/A", "h.io/", "h.io/a:v1", "h.iox/a", "docker.io/a"])(
    "leave out a note that names no repository of the registry: %s",
    async (noted) => {
      await importHello("h.io/a:v1");
      const { digest } = (await store.resolve("h.io/a:v1")) ?? { digest: MODULE };
      expect(await store.note("h.io/a:v1", digest, { "wasme.io/registry": noted })).toBe(true);
      expect((await sources("h.io/b:v1"))(MODULE)).toEqual([]);
      await store.note("h.io/a:v1", digest, { "wasme.io/registry": "h.io/x/y" });
      expect((await sources("h.io/b:v1"))(MODULE)).toEqual(["x/y"]);
    },
  );

  it("leave out what is damaged", async () => {
    await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    const digest = (await store.resolve("h.io/a:v1"))?.digest;
    chmodSync(blobPath(digest), 0o644);
    writeFileSync(blobPath(digest), "x");
    expect((await sources("h.io/b:v1"))(MODULE)).toEqual([]);
  });

  it("are not looked for when there is nothing to upload", async () => {
    await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    const blind = Object.assign({}, bound(store), {
      note: () => Promise.resolve(true),
      names: () => Promise.reject(new Error("looked")),
    }) as ImageStore;
    const request = { reference: ref("h.io/a:v1") };
    expect(await pushImage({ store: blind, registry }, request)).toMatchObject({ unchanged: true });
  });

  const blobPath = (digest: Digest | undefined): string => join(store.dir, "blobs/sha256", digest?.slice(7) ?? "");
});

describe("--mount-from", () => {
  it.each([
    ["team/base", "ghcr.io/a:v1", "team/base"],
    ["ghcr.io/team/base", "ghcr.io/a:v1", "team/base"],
    ["base", "ghcr.io/a:v1", "base"],
    ["base", "docker.io/library/a", "library/base"],
    ["team/base", "localhost:5000/a", "team/base"],
    ["localhost:5000/team/base", "localhost:5000/a", "team/base"],
  ])("%s of %s is %s", (text, target, expected) => {
    expect(parseMountSource(text, ref(target))).toBe(expected);
  });

  it.each(["quay.io/team/base", "localhost:5000/base", "team/base:v1", `team/base@${MODULE}`, "Team", "", "a//b"])(
    "%j is refused",
    (text) => {
      expect(() => parseMountSource(text, ref("ghcr.io/a:v1"))).toThrow(
        expect.objectContaining({ code: "MOUNT_SOURCE_INVALID", kind: "usage" }),
      );
    },
  );
});
