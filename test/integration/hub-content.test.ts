import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MediaType } from "../../src/domain/media-types.ts";
import type { RawResponse } from "../components/raw-http.ts";
import { CONTENTS, type SpecContent, type SpecDescriptor } from "./hub-content-support.ts";
import { codesOf, HUB_MODES, type ModeServer, type SpecClient, specClient, startMode } from "./hub-support.ts";
import { uploads } from "./hub-uploads-support.ts";

const REPOSITORY = "spec/content";
const ACCEPT = { accept: `${MediaType.ociIndex}, ${MediaType.ociManifest}` };

/** Every kind of content there and back again: pushed, listed, pulled, referred to, deleted. */
describe.each(HUB_MODES)("content of a registry that is %s", (mode) => {
  let server: ModeServer;
  let client: SpecClient;

  beforeAll(async () => {
    server = await startMode(mode);
    client = specClient(server);
  });
  afterAll(async () => await server.close());

  const at = (kind: string, target: string): string => `/v2/${REPOSITORY}/${kind}/${target}`;

  async function push({ blobs, manifests, tags }: SpecContent): Promise<void> {
    for (const [digest, body] of blobs) {
      expect((await client.ask("POST", `${uploads(REPOSITORY)}?digest=${digest}`, { body })).status).toBe(201);
    }
    const targets = manifests.map((manifest) => ({ target: manifest.digest, manifest }));
    for (const [tag, digest] of tags) {
      const manifest = manifests.find((each) => each.digest === digest);
      if (manifest !== undefined) targets.push({ target: tag, manifest });
    }
    for (const { target, manifest } of targets) {
      const headers = { "content-type": manifest.mediaType };
      const answer = await client.ask("PUT", at("manifests", target), { body: manifest.bytes, headers });
      expect(answer.status, answer.text).toBe(201);
      expect(answer.headers).toMatchObject({
        location: at("manifests", manifest.digest),
        "docker-content-digest": manifest.digest,
      });
      const { subject } = JSON.parse(manifest.bytes.toString()) as { readonly subject?: SpecDescriptor };
      expect(answer.headers["oci-subject"]).toBe(subject?.digest);
    }
  }

  async function expectThere({ blobs, manifests, tags }: SpecContent): Promise<void> {
    for (const target of [...manifests.map(({ digest }) => digest), ...tags.keys()]) {
      const digest = tags.get(target) ?? target;
      const manifest = manifests.find((each) => each.digest === digest);
      const headers = {
        "content-type": manifest?.mediaType,
        "content-length": String(manifest?.bytes.byteLength),
        "docker-content-digest": digest,
      };
      const head = await client.ask("HEAD", at("manifests", target), { headers: ACCEPT });
      expect(head).toMatchObject({ status: 200, headers });
      expect(head.body.byteLength).toBe(0);
      const got = await client.ask("GET", at("manifests", target), { headers: ACCEPT });
      expect(got).toMatchObject({ status: 200, headers });
      expect(Buffer.compare(got.body, manifest?.bytes ?? Buffer.alloc(0))).toBe(0);
    }
    for (const [digest, bytes] of blobs) {
      expect(Buffer.compare((await client.ask("GET", at("blobs", digest))).body, bytes)).toBe(0);
    }
  }

  async function referrers(subject: string, query = ""): Promise<RawResponse> {
    const answer = await client.ask("GET", `${at("referrers", subject)}${query}`);
    expect(answer).toMatchObject({ status: 200, headers: { "content-type": MediaType.ociIndex } });
    expect(JSON.parse(answer.text)).toMatchObject({ schemaVersion: 2, mediaType: MediaType.ociIndex });
    return answer;
  }

  function sorted(list: readonly SpecDescriptor[]): readonly SpecDescriptor[] {
    return list.toSorted((a, b) => a.digest.localeCompare(b.digest));
  }

  async function expectReferrers(content: SpecContent): Promise<void> {
    for (const [subject, wanted] of content.referrers) {
      const { manifests } = JSON.parse((await referrers(subject)).text) as { manifests: SpecDescriptor[] };
      expect(sorted(manifests)).toEqual(sorted(wanted));
      for (const type of new Set(wanted.map(({ artifactType }) => String(artifactType)))) {
        const answer = await referrers(subject, `?artifactType=${encodeURIComponent(type)}`);
        expect(answer.headers["oci-filters-applied"]).toBe("artifactType");
        const filtered = (JSON.parse(answer.text) as { manifests: SpecDescriptor[] }).manifests;
        expect(sorted(filtered)).toEqual(sorted(wanted.filter(({ artifactType }) => artifactType === type)));
      }
    }
  }

  async function expectListed({ tags }: SpecContent): Promise<void> {
    const answer = await client.ask("GET", at("tags", "list"));
    const listed = (JSON.parse(answer.text) as { readonly tags: readonly string[] }).tags;
    expect(listed).toEqual([...tags.keys()].toSorted());
    const { tags: rest } = JSON.parse((await client.ask("GET", `${at("tags", "list")}?last=${listed[0]}`)).text) as {
      readonly tags: readonly string[];
    };
    expect(rest).toEqual(listed.slice(1));
  }

  async function expectGone(kind: string, target: string, code: string): Promise<void> {
    expect((await client.ask("HEAD", at(kind, target))).status).toBe(404);
    const answer = await client.ask("GET", at(kind, target));
    expect(answer.status).toBe(404);
    expect(codesOf(answer)).toEqual([code]);
  }

  async function remove({ blobs, manifests, tags }: SpecContent): Promise<void> {
    for (const tag of tags.keys()) {
      expect((await client.ask("DELETE", at("manifests", tag))).status).toBe(202);
      await expectGone("manifests", tag, "MANIFEST_UNKNOWN");
    }
    for (const { digest } of manifests.toReversed()) {
      expect((await client.ask("GET", at("manifests", digest))).status).toBe(200);
      expect((await client.ask("DELETE", at("manifests", digest))).status).toBe(202);
      await expectGone("manifests", digest, "MANIFEST_UNKNOWN");
    }
    for (const digest of blobs.keys()) {
      expect((await client.ask("DELETE", at("blobs", digest))).status).toBe(202);
      await expectGone("blobs", digest, "BLOB_UNKNOWN");
      expect(await server.hub.store.sizeOf(digest as never)).toBeUndefined();
    }
  }

  it.each(Object.keys(CONTENTS))("may be %s", async (kind) => {
    const content = CONTENTS[kind]?.();
    if (content === undefined) throw new Error(kind);
    await push(content);
    await expectListed(content);
    await expectThere(content);
    await expectReferrers(content);
    await remove(content);
    const tags = await client.ask("GET", at("tags", "list"));
    expect(tags.status).toBe(200);
    expect(JSON.parse(tags.text)).toEqual({ name: REPOSITORY, tags: [] });
    for (const subject of content.referrers.keys()) {
      expect((JSON.parse((await referrers(subject)).text) as { manifests: unknown[] }).manifests).toEqual([]);
    }
  });

  it("takes several tags beside a digest, and says which", async () => {
    const content = CONTENTS["an image"]?.();
    const [manifest] = content?.manifests ?? [];
    if (content === undefined || manifest === undefined) throw new Error("no image");
    await push({ ...content, tags: new Map() });
    const headers = { "content-type": manifest.mediaType };
    const target = `${at("manifests", manifest.digest)}?tag=one&tag=two`;
    const answer = await client.ask("PUT", target, { body: manifest.bytes, headers });
    expect(answer.status).toBe(201);
    expect(answer.headers["oci-tag"]).toBe("one, two");
    const tags = new Map([
      ["one", manifest.digest],
      ["two", manifest.digest],
    ]);
    await expectListed({ ...content, tags });
    await expectThere({ ...content, tags });
    const bad = await client.ask("PUT", `${target}&tag=no%20tag`, { body: manifest.bytes, headers });
    expect(bad.status).toBe(400);
    await remove({ ...content, tags });
  });
});
