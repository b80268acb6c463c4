import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CachedImage } from "../../../src/cache/cached-image.ts";
import { ContentFolder } from "../../../src/cache/content-folder.ts";
import { Evictor } from "../../../src/cache/evict.ts";
import { entriesOfText } from "../../../src/cache/list-entry.ts";
import { NodeState, STATE_FILE } from "../../../src/cache/node-state.ts";
import { Readiness } from "../../../src/cache/readiness.ts";
import { ImageLists } from "../../../src/cache/image-lists.ts";
import { ReportBook } from "../../../src/cache/report-book.ts";
import { type Digest, digestOf, digestParts } from "../../../src/domain/digest.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { tempDir } from "../../support/temp-dir.ts";

function imageOf(text: string): CachedImage {
  const [manifest, module] = [digestOf(`manifest ${text}`), digestOf(text)];
  const blob = { mediaType: "x", digest: manifest, size: 1 };
  return { top: manifest, manifest: blob, layer: module, module, bytes: text.length, blobs: [], isPrivate: false };
}

async function bench(texts: readonly string[], lingerMs = 100) {
  const dir = tempDir();
  const modules = new ContentFolder({ dir, suffix: ".wasm" });
  const blobs = new ContentFolder({ dir: join(dir, ".images"), suffix: "" });
  const state = new NodeState(dir);
  const book = new ReportBook(
    () => 0,
    () => undefined,
  );
  const known = { list: true };
  for (const text of texts) {
    writeFileSync(join(dir, `${digestParts(digestOf(text)).hex}.wasm`), text);
    const image = imageOf(text);
    state.images.set(image.manifest.digest, image);
  }
  await modules.open();
  await blobs.open();
  const evictor = new Evictor({
    modules,
    blobs,
    state,
    book,
    lingerMs,
    listKnown: () => known.list,
    isPulling: () => false,
    onEvicted: () => Promise.resolve(),
    log: silentLog,
  });
  const here = (): readonly string[] => texts.filter((text) => modules.digests().includes(digestOf(text)));
  return { dir, modules, state, book, known, evictor, here };
}

describe("eviction", () => {
  it("counts the time that passed while it ran, whatever the clock on the wall says", async () => {
    const { evictor, here, state } = await bench(["a", "b"]);
    expect(await evictor.tick(1_000_000)).toBe(0); // seen for the first time
    expect(await evictor.tick(-5000)).toBe(0);
    expect(await evictor.tick(99)).toBe(0);
    expect(here()).toEqual(["a", "b"]);
    expect(await evictor.tick(1)).toBe(2);
    expect([here(), state.images.size, state.lingered.size]).toEqual([[], 0, 0]);
  });

  it("begins anew when a module was listed meanwhile, and spares what is listed", async () => {
    const { evictor, here, book } = await bench(["a", "b"]);
    const [entry] = entriesOfText("x/y:v1");
    if (entry === undefined) throw new Error("no entry");
    await evictor.tick(0);
    await evictor.tick(90);
    book.set(entry, { state: "ready", image: imageOf("a") });
    await evictor.tick(20);
    expect(here()).toEqual(["a"]);
    book.remove(entry.id);
    await evictor.tick(20);
    await evictor.tick(90);
    expect(here()).toEqual(["a"]);
    await evictor.tick(10);
    expect(here()).toEqual([]);
  });

  it("spares a module that is listed while others are removed", async () => {
    const { evictor, here, book, modules } = await bench(["a", "b", "c"]);
    const [entry] = entriesOfText("x/y:v1");
    const last = ["a", "b", "c"].find((text) => digestOf(text) === modules.digests().at(-1));
    if (entry === undefined || last === undefined) throw new Error("no entry");
    await evictor.tick(0);
    const ticking = evictor.tick(100);
    book.set(entry, { state: "ready", image: imageOf(last) });
    expect(await ticking).toBe(2);
    expect(here()).toEqual([last]);
  });

  it("forgets the image of a module that got lost, unless it is listed", async () => {
    const { evictor, state, book } = await bench(["here"]);
    const [entry] = entriesOfText("x/y:v1");
    if (entry === undefined) throw new Error("no entry");
    for (const text of ["lost", "listed"]) state.images.set(imageOf(text).manifest.digest, imageOf(text));
    book.set(entry, { state: "pulling", image: imageOf("listed") });
    await evictor.tick(0);
    expect([...state.images.values()]).toEqual([imageOf("here"), imageOf("listed")]);
  });

  it("does nothing while the list is not known", async () => {
    const { evictor, here, known } = await bench(["a"]);
    known.list = false;
    for (let round = 0; round < 5; round += 1) await evictor.tick(1000);
    await evictor.makeRoom(1);
    expect(here()).toEqual(["a"]);
  });

  it("makes room by what was unlisted longest, and no more than it must", async () => {
    const { evictor, here, state } = await bench(["old", "new", "mid"], 1_000_000);
    for (const [text, ms] of [
      ["old", 900_000],
      ["new", 100_000],
      ["mid", 500_000],
    ] as const)
      state.lingered.set(digestOf(text), ms);
    expect(await evictor.makeRoom(4)).toBe(0);
    expect(here()).toEqual(["new"]);
  });

  it("makes no room by what was listed a moment ago, but tells that it will", async () => {
    const { evictor, here, state } = await bench(["old", "fresh"], 1_000_000);
    state.lingered.set(digestOf("old"), 60_000);
    state.lingered.set(digestOf("fresh"), 59_999);
    expect(await evictor.makeRoom(100)).toBe(5);
    expect(here()).toEqual(["fresh"]);
  });

  it("spares what nobody can place while some image is not known, unless its room is needed", async () => {
    const { evictor, here, book, state } = await bench(["placed", "unknown"]);
    state.images.delete(imageOf("unknown").manifest.digest);
    const [entry] = entriesOfText("x/y:v1");
    if (entry === undefined) throw new Error("no entry");
    book.set(entry, { state: "failed", error: "its registry is away" });
    await evictor.tick(0);
    await evictor.tick(1000);
    expect(here()).toEqual(["unknown"]);
    book.set(entry, { state: "pulling" });
    await evictor.makeRoom(1);
    expect(here()).toEqual(["unknown"]);
    book.set(entry, { state: "failed", error: "its registry is away" });
    await evictor.makeRoom(1);
    expect(here()).toEqual([]);
  });
});

describe("a folder of content", () => {
  it("is open to who reads files, whatever the umask, and stays as it is when it was there", async () => {
    const dir = tempDir();
    const [made, own] = [join(dir, "made"), join(dir, "own")];
    const before = process.umask(0o077);
    try {
      mkdirSync(own);
      for (const each of [made, own]) await new ContentFolder({ dir: each, suffix: "" }).open();
    } finally {
      process.umask(before);
    }
    expect([made, own].map((each) => statSync(each).mode & 0o777)).toEqual([0o755, 0o700]);
  });

  it("takes no file for content that has not its digest, whatever it is", async () => {
    const dir = tempDir();
    const lost: string[] = [];
    const [good, bad, folder] = [digestOf("good"), digestOf("bad"), digestOf("folder")];
    const name = (digest: Digest): string => join(dir, `${digestParts(digest).hex}.wasm`);
    writeFileSync(name(good), "good");
    writeFileSync(name(bad), "evil");
    mkdirSync(name(folder));
    writeFileSync(join(dir, "other.txt"), "stays");
    const content = new ContentFolder({ dir, suffix: ".wasm", onLost: (digest, why) => lost.push(`${why} ${digest}`) });
    await content.open();
    expect(await Promise.all([good, bad, folder, digestOf("none")].map((each) => content.check(each)))).toEqual([
      4,
      undefined,
      undefined,
      undefined,
    ]);
    expect(lost.toSorted()).toEqual([`altered ${bad}`, `altered ${folder}`].toSorted());
    expect(readdirSync(dir).toSorted()).toEqual([`${digestParts(good).hex}.wasm`, "other.txt"].toSorted());
  });
});

describe("the bytes of a folder", () => {
  it("are known without a look at the disk, from the first moment to the last", async () => {
    const dir = tempDir();
    const there = digestOf("there");
    writeFileSync(join(dir, digestParts(there).hex), "there");
    const folder = new ContentFolder({ dir, suffix: "" });
    await folder.open();
    expect(folder.usedBytes()).toBe(5);
    const draft = await folder.draft();
    await draft.write(Buffer.from("content"));
    expect(folder.usedBytes()).toBe(5);
    await draft.publish();
    expect(folder.usedBytes()).toBe(12);
    const removal = folder.remove(there);
    expect([folder.usedBytes(), folder.has(there)]).toEqual([7, false]);
    await removal;
  });
});

describe("content that is being removed", () => {
  it("is gone for who asks meanwhile, and may come again", async () => {
    const dir = tempDir();
    const folder = new ContentFolder({ dir, suffix: ".wasm" });
    await folder.open();
    const put = async (): Promise<Digest> => {
      const draft = await folder.draft();
      await draft.write(Buffer.from("content"));
      return draft.publish();
    };
    const digest = await put();
    const [, asked] = await Promise.all([folder.remove(digest), folder.check(digest)]);
    expect(asked).toBeUndefined();
    const removal = folder.remove(digest);
    await put();
    await removal;
    expect(await folder.check(digest)).toBe(7);
  });
});

describe("the memory of a cache", () => {
  it("comes back as it was written, and is nothing when it is damaged", async () => {
    const dir = tempDir();
    const state = new NodeState(dir);
    state.list = { key: "value" };
    state.images.set(imageOf("a").manifest.digest, imageOf("a"));
    state.tags.set("x/y:v1", imageOf("a").top);
    state.lingered.set(digestOf("a"), 7);
    await state.save();
    const again = new NodeState(dir);
    expect(await again.load()).toBe(true);
    expect([again.list, [...again.images], [...again.tags], [...again.lingered]]).toEqual([
      state.list,
      [...state.images],
      [...state.tags],
      [...state.lingered],
    ]);
    for (const text of ["", "{", "[]", '{"version":2}', "null"]) {
      writeFileSync(join(dir, STATE_FILE), text);
      expect([text, await new NodeState(dir).load()]).toEqual([text, false]);
    }
    writeFileSync(
      join(dir, STATE_FILE),
      '{"version":1,"images":[{"top":1},null],"tags":{"a":"b"},"lingered":{"x":1},"list":[]}',
    );
    const odd = new NodeState(dir);
    expect([await odd.load(), odd.list, odd.images.size, odd.tags.size, odd.lingered.size]).toEqual([
      true,
      undefined,
      0,
      0,
      0,
    ]);
  });
});

describe("readiness", () => {
  it("waits for what the list holds until it is there once, and for nothing that comes later", () => {
    const lists = new ImageLists(["file"], () => undefined);
    const book = new ReportBook(
      () => 0,
      () => undefined,
    );
    const readiness = new Readiness({ lists, book, trouble: () => "no rights" });
    expect(readiness.check()).toBe("the list of images is not known yet (file): no rights");
    lists.setText("file", "a:v1\nb:v1\nc:v1");
    const [a, b, c] = lists.entries;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three entries");
    for (const entry of [a, b, c]) book.set(entry, { state: "pulling" });
    expect(readiness.check()).toBe("3 of 3 images of the list are not on the node yet");
    book.set(a, { state: "ready", image: imageOf("a") });
    book.set(b, { state: "failed", error: "no" });
    expect(readiness.check()).toBe("1 of 3 images of the list are not on the node yet");
    // Listed while this node was passed over since it is not ready: nobody waits for it here.
    lists.setText("file", "a:v1\nb:v1\nd:v1");
    const d = lists.entries[2];
    if (d === undefined) throw new Error("a new entry");
    book.remove(c.id);
    book.set(d, { state: "pulling" });
    expect(readiness.check()).toBe("1 of 3 images of the list are not on the node yet");
    book.set(d, { state: "ready", image: imageOf("d") });
    expect(readiness.check()).toBeUndefined();
    book.set(a, { state: "pulling" });
    expect(readiness.check()).toBeUndefined();
  });
});
