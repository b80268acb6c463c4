import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { tagImage } from "../../src/images/tag-image.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { openStore } from "../../src/store/image-store.ts";
import { startCutProxy } from "../components/cut-proxy.ts";
import type { RegistryOptions } from "../components/registry.ts";
import { reader } from "../components/users.ts";
import { failure } from "../support/failure.ts";
import { pullTestImage, pushTestImage, readAll, testImage } from "../support/fault-image.ts";
import { pushReferrer, testReferrer } from "../support/referrers.ts";
import { tempDir } from "../support/temp-dir.ts";
import { impostor, storeWith, type SuiteKind, suiteKinds, useRegistry, type Watched } from "./registry-support.ts";

/** How people run registries, and how many requests each way costs on top: once for Basic, twice for a token. */
const modes: readonly (readonly [string, RegistryOptions, readonly string[]])[] = [
  ["open to all", {}, []],
  ["htpasswd", { auth: "htpasswd" }, ["again"]],
  ["tokens", { auth: "token" }, ["again", "GET token"]],
  ["TLS and htpasswd", { tls: true, auth: "htpasswd" }, ["again"]],
  ["TLS and tokens", { tls: true, auth: "token" }, ["again", "GET token"]],
];

const matrix = suiteKinds.flatMap((kind) => modes.map((mode) => [kind, ...mode] as const));

// zot gives every repository what one of them has: each test needs a module of its own.
const ranged = testImage(1_500_000, "ranged");
const pieces = testImage(1_500_000, "pieces");

/** The same for every registry and every way in: what one of them needs differently is named in the test. */
describe.each(matrix)("%s, %s", (kind, _mode, options, extra) => {
  const { registry, open, named, at } = useRegistry({ ...options, kind });

  /** What a command sent, sorted; the first request is sent again where the registry asked who it is. */
  const withLogin = (first: string, ...rest: readonly string[]): readonly string[] =>
    [first, ...extra.map((each) => (each === "again" ? first : each)), ...rest].toSorted();

  const sorted = ({ sent }: Watched): readonly string[] => sent.toSorted();

  it("a small filter goes up in six requests, again in one, down in three and again in one", async () => {
    const reference = at("demo/small:v1");
    const { store, moduleDigest } = await storeWith(tempDir(), named("demo/small:v1"), 30_000);
    const first = open();
    const pushed = await pushImage({ store, registry: first }, { reference });
    const upload = ["POST upload", "PUT upload"];
    expect(sorted(first)).toEqual(withLogin("HEAD manifest", ...upload, ...upload, "PUT manifest"));

    const again = open();
    const { manifestDigest } = pushed;
    const repeated = { manifestDigest, moduleDigest, unchanged: true, uploadedBytes: 0 };
    expect(await pushImage({ store, registry: again }, { reference })).toMatchObject(repeated);
    expect(sorted(again)).toEqual(withLogin("HEAD manifest"));

    const fresh = openStore(join(tempDir(), "images"));
    const down = open();
    const pulled = await pullImage({ store: fresh, registry: down }, { reference });
    expect(pulled).toMatchObject({ manifestDigest, moduleDigest, unchanged: false });
    expect(sorted(down)).toEqual(withLogin("GET manifest", "GET blob", "GET blob"));

    const unchanged = open();
    expect(await pullImage({ store: fresh, registry: unchanged }, { reference })).toMatchObject({ unchanged: true });
    expect(sorted(unchanged)).toEqual(withLogin("GET manifest"));
  });

  it("a large filter comes back by tag and by digest, and is not sent twice", async () => {
    const name = named("demo/large");
    const { store, moduleDigest } = await storeWith(tempDir(), `${name}:v1`, 3_000_000);
    const client = open();
    const { manifestDigest } = await pushImage({ store, registry: client }, { reference: at("demo/large:v1") });
    for (const target of [":v1", `@${manifestDigest}`]) {
      const fresh = openStore(join(tempDir(), "images"));
      const pulled = await pullImage({ store: fresh, registry: client }, { reference: at(`demo/large${target}`) });
      expect(pulled).toMatchObject({ manifestDigest, moduleDigest });
    }
    await tagImage({ store }, { source: at("demo/large:v1"), target: at("demo/large:v2") });
    const second = open();
    await pushImage({ store, registry: second }, { reference: at("demo/large:v2") });
    // The config is smaller than the question whether it is there.
    const rest = ["HEAD blob", "POST upload", "PUT upload", "PUT manifest"];
    expect(sorted(second)).toEqual(withLogin("HEAD manifest", ...rest));
  });

  it("a large blob goes up in pieces when told to", async () => {
    const client = open({ chunkSize: 600_000 });
    const repository = client.repository(at("demo/pieces:v1"), "push");
    expect(await repository.push(pieces.moduleDescriptor, bytesSource(pieces.module))).toBe("written");
    const rest = ["POST upload", "PATCH upload", "PATCH upload", "PATCH upload", "PUT upload"];
    // zot tells how long the last piece was, not how much it has: after each piece but the last it is asked.
    const asked = kind === "zot" ? ["GET upload", "GET upload"] : [];
    expect(sorted(client)).toEqual(withLogin("HEAD blob", ...rest, ...asked));
    const back = await readAll(open().repository(at("demo/pieces:v1")).fetch(pieces.moduleDescriptor));
    expect(Buffer.compare(back, pieces.module)).toBe(0);
  });

  it("a filter that another repository has is mounted from there: no byte of it is sent", async () => {
    const host = registry().host;
    const { store, moduleDigest } = await storeWith(tempDir(), `${host}/demo/source:v1`, 200_000);
    await pushImage({ store, registry: open() }, { reference: at("demo/source:v1") });
    await tagImage({ store }, { source: at("demo/source:v1"), target: at("demo/mounted:v1") });
    const client = open();
    const request = { reference: at("demo/mounted:v1"), mountFrom: ["demo/source"] };
    const pushed = await pushImage({ store, registry: client }, request);
    expect(pushed).toMatchObject({ uploadedBytes: 0, mountedBytes: expect.any(Number) });
    expect(client.sent).not.toContain("PUT upload");
    const fresh = openStore(join(tempDir(), "images"));
    expect(await pullImage({ store: fresh, registry: open() }, request)).toMatchObject({ moduleDigest });
  });

  it("a tag is deleted alone, and an image with all its tags", async () => {
    const image = testImage(1000, "deleted");
    const { digest } = image.manifestDescriptor;
    const repository = open().repository(at("demo/deleted:v1"), "push");
    await pushTestImage(repository, image);
    await repository.pushManifest("v2", image.manifest, MediaType.ociManifest);
    const deleted = repository.deleteManifest("v2").catch((error: unknown) => (error as { code?: unknown }).code);
    expect(await deleted).toBe(kind === "docker-registry" ? "DELETE_UNSUPPORTED" : true);
    expect(await open().repository(at("demo/deleted:v1")).resolve(digest)).toMatchObject({ digest });
    // A new command: rights to delete are asked for anew.
    const again = open().repository(at("demo/deleted:v1"));
    expect(await again.deleteManifest(digest)).toBe(true);
    expect(await again.resolve("v1")).toBeUndefined();
    expect(await again.deleteManifest(digest)).toBe(false);
  });

  it("what refers to an image is listed, whoever keeps the list", async () => {
    const image = testImage(1000, "referred");
    const config = "application/vnd.example.signature";
    const signature = testReferrer(image.manifestDescriptor, { config, annotations: { by: "me" } });
    await pushTestImage(open().repository(at("demo/referred:v1"), "push"), image);
    await pushReferrer(open().repository(at("demo/referred:v1"), "push"), signature);
    const { digest } = image.manifestDescriptor;
    const listed = await open().repository(at("demo/referred:v1")).referrers(digest, { artifactType: config });
    expect(listed).toEqual([{ ...signature.descriptor, artifactType: config, annotations: { by: "me" } }]);
  });

  it("tags are listed over pages", async () => {
    const image = testImage(100, "tags");
    const repository = open().repository(at("demo/tags:v1"), "push");
    const tags = ["a", "b", "c", "d", "v1"];
    await pushTestImage(repository, image);
    for (const tag of tags) await repository.pushManifest(tag, image.manifest, MediaType.ociManifest);
    expect((await open().repository(at("demo/tags:v1")).tags())?.toSorted()).toEqual(tags);
    const paged = open({
      wire: {
        rewrite: (request) => {
          if (!request.url.pathname.endsWith("/tags/list") || request.url.search !== "") return request;
          return { ...request, url: new URL("?n=2", request.url) };
        },
      },
    });
    expect((await paged.repository(at("demo/tags:v1")).tags())?.toSorted()).toEqual(tags);
    // docker-registry ignores the size of a page.
    const pages = paged.sent.filter((each) => each === "GET tags").length - extra.filter((e) => e === "again").length;
    expect(pages).toBe(kind === "docker-registry" ? 1 : 3);
  });

  it("what is not there is no error", async () => {
    const repository = open().repository(at("demo/nothing:v1"));
    expect(await repository.resolve("v1")).toBeUndefined();
    expect(await repository.fetchManifest("v1")).toBeUndefined();
    expect(await repository.tags()).toBeUndefined();
    expect(await repository.exists(testImage(100, "absent").moduleDescriptor)).toBe(false);
  });
});

const protectedOnes = matrix.filter(([, , options]) => options.auth !== undefined);

describe.each(protectedOnes)("%s, %s, the account", (kind, _mode, options) => {
  const { registry, open, at } = useRegistry({ ...options, kind });

  it("a wrong password is refused, a right one verified", async () => {
    const { user = impostor, host } = registry();
    const { username } = user;
    const login = (password: string): Promise<unknown> =>
      open().verifyLogin(host, { kind: "basic", username, password });
    expect(await login(user.password)).toBe("verified");
    expect(await failure(login("wrong"))).toMatchObject({ code: "LOGIN_REFUSED", kind: "unauthorised" });
    const refused = open({ as: impostor }).repository(at("demo/small:v1"));
    expect(await failure(refused.fetchManifest("v1"))).toMatchObject({ kind: "unauthorised" });
    const nobody = open({ as: null }).repository(at("demo/small:v1"));
    expect(await failure(nobody.fetchManifest("v1"))).toMatchObject({ kind: "unauthorised" });
  });
});

/** Who tells its users' rights apart: token servers, and zot with its policies. */
const withRights = matrix.filter(
  ([kind, , { auth }]) => (auth === "token" && kind !== "wasme") || (auth === "htpasswd" && kind === "zot"),
);

describe.each(withRights)("%s, %s, rights", (kind, _mode, options) => {
  const { registry, open, at } = useRegistry({ ...options, kind });

  it("somebody who may only read is told so, and nothing is pushed", async () => {
    const image = testImage(1000, "denied");
    await pushTestImage(open().repository(at("demo/denied:v1"), "push"), image);
    const client = open({ as: reader });
    expect((await pullTestImage(client.repository(at("demo/denied:v1")), image)).module).toEqual(image.module);
    const repository = client.repository(at("demo/denied:v2"), "push");
    const refused = { kind: "unauthorised", message: expect.stringContaining(registry().host) };
    const pushing = repository.push(image.configDescriptor, bytesSource(image.config));
    expect(await failure(pushing)).toMatchObject(refused);
    expect(await failure(repository.deleteManifest(image.manifestDescriptor.digest))).toMatchObject(refused);
    expect(await open().repository(at("demo/denied:v2")).tags()).toEqual(["v1"]);
  });
});

/** What goes wrong on the way; the registries' own part in it is the same whoever asks. */
describe.each(suiteKinds)("%s, in trouble", (kind) => {
  const { open, at } = useRegistry({ kind, tls: true, auth: "token" });

  it("a download that breaks off goes on where it stopped", async () => {
    await pushTestImage(open().repository(at("demo/ranged:v1"), "push"), ranged);
    const client = open({ wire: { cutAfter: 1_000_000 } });
    const bytes = await readAll(client.repository(at("demo/ranged:v1")).fetch(ranged.moduleDescriptor));
    expect(Buffer.compare(bytes, ranged.module)).toBe(0);
    expect(client.ranges).toEqual(["bytes=1000000-"]);
  });

  it.for(["PATCH upload", "PUT upload", "POST upload", "PUT manifest"])(
    "a lost answer to %s loses nothing",
    async (loseAnswer) => {
      const image = testImage(300_000, `lost ${loseAnswer}`);
      const repository = `demo/lost/${loseAnswer.replace(" ", "-").toLowerCase()}`;
      const client = open({ chunkSize: 100_000, wire: { loseAnswer } });
      await pushTestImage(client.repository(at(`${repository}:v1`), "push"), image);
      const back = await pullTestImage(open().repository(at(`${repository}:v1`)), image);
      expect([back.manifest, back.module].map(digestOf)).toEqual([
        image.manifestDescriptor.digest,
        image.moduleDescriptor.digest,
      ]);
    },
  );
});

describe.each(suiteKinds)("%s, behind a wire that breaks", (kind) => {
  const { registry, open } = useRegistry({ kind });

  it.for([
    ["as a whole", undefined],
    ["in pieces", 300_000],
  ] as const)("an upload %s gets there", async ([, chunkSize]) => {
    const wire = await startCutProxy(registry().host, 900_000);
    onTestFinished(() => wire.stop());
    const image = testImage(1_500_000, `broken ${chunkSize ?? "whole"}`);
    const client = open(chunkSize === undefined ? {} : { chunkSize });
    const repository = client.repository(parseImageReference(`${wire.host}/demo/broken:v1`), "push");
    expect(await repository.push(image.moduleDescriptor, bytesSource(image.module))).toBe("written");
    expect(wire.isCut()).toBe(true);
    // Only distribution goes on where a piece broke: it lost that piece at most, and says where it is, perhaps before it
    // has noticed the cut, which costs one more piece. The others give the place up, and all 1,500,000 are sent again.
    const goesOn = kind === "distribution" && chunkSize !== undefined;
    expect(wire.passed()).toBeLessThan(goesOn ? 900_000 + 900_000 + 300_000 + 100_000 : 900_000 + 1_500_000 + 100_000);
    const back = await readAll(repository.fetch(image.moduleDescriptor));
    expect(Buffer.compare(back, image.module)).toBe(0);
  });
});

/** Pushes a manifest of more than 4 MiB: the size that registries must take at least, and that we read at most. */
async function pushFat(repository: Repository): Promise<void> {
  const image = testImage(1000, "fat");
  await pushTestImage(repository, image);
  const manifest = JSON.parse(Buffer.from(image.manifest).toString()) as object;
  const fat = Buffer.from(JSON.stringify({ ...manifest, annotations: { fat: "x".repeat(4 << 20) } }));
  await repository.pushManifest("v2", fat, MediaType.ociManifest);
}

describe.each(["docker-registry", "distribution", "wasme"] as const)("%s, open to all", (kind) => {
  const { registry, open, at } = useRegistry({ kind });

  it("a login is not verified where nobody asks for one", async () => {
    const credential = { kind: "basic", username: "somebody", password: "anything" } as const;
    expect(await open().verifyLogin(registry().host, credential)).toBe("open");
  });

  it("a manifest of more than 4 MiB is refused in words", async () => {
    const repository = open().repository(at("demo/fat:v1"), "push");
    expect(await failure(pushFat(repository))).toMatchObject({
      kind: "failed",
      details: { status: kind === "wasme" ? 413 : 400 },
    });
    expect(await repository.tags()).toEqual(["v1"]);
  });
});

describe("zot, open to all", () => {
  const { registry, open, at } = useRegistry({ kind: "zot" });

  it("a login is not verified where nobody asks for one", async () => {
    const credential = { kind: "basic", username: "somebody", password: "anything" } as const;
    expect(await open().verifyLogin(registry().host, credential)).toBe("open");
  });

  it("a manifest of more than 4 MiB is taken, and not read back", async () => {
    const repository = open().repository(at("demo/fat:v1"), "push");
    await pushFat(repository);
    expect(await failure(repository.fetchManifest("v2"))).toMatchObject({ code: "BODY_TOO_LARGE" });
  });
});

/** Which kinds there are is no accident: a new one must be put into the suite. */
it("covers docker-registry, distribution, zot and our own", () => {
  const kinds: readonly SuiteKind[] = ["docker-registry", "distribution", "zot", "wasme"];
  expect(suiteKinds).toEqual(kinds);
});
