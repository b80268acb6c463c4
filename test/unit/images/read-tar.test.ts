import { describe, expect, it } from "vitest";
import { encodeTarHeader } from "../../../src/domain/ustar.ts";
import { readTar } from "../../../src/images/read-tar.ts";
import { gunzip, gzip } from "../../../src/images/gzip.ts";
import { chunked, gather, tarOf } from "../../support/archives.ts";

async function list(archive: Uint8Array, options: { chunk?: number; limit?: number } = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of readTar(chunked(archive, options.chunk ?? 100), options.limit ?? 1 << 20)) {
    found.push(`${entry.type} ${entry.name} ${(await gather(entry.body)).toString("latin1").slice(0, 20)}`);
  }
  return found;
}

describe("readTar", () => {
  const archive = tarOf([
    { name: "a/b.txt", content: "hello" },
    { name: "link", type: "2", link: "/etc/passwd" },
    { name: "dir/", type: "5" },
    { name: "empty", content: "" },
    { name: `${"d".repeat(60)}/${"n".repeat(90)}`, content: "long" },
  ]);

  it.each([1, 7, 512, 100_000])("reads the same whatever the chunks: %i bytes", async (chunk) => {
    expect(await list(archive, { chunk })).toEqual([
      "0 a/b.txt hello",
      "2 link ",
      "5 dir/ ",
      "0 empty ",
      `0 ${"d".repeat(60)}/${"n".repeat(90)} long`,
    ]);
  });

  it("skips what the reader leaves", async () => {
    const names: string[] = [];
    for await (const entry of readTar(chunked(archive, 64), 1 << 20)) names.push(entry.name);
    expect(names).toHaveLength(5);
  });

  it("reads names from pax headers and GNU long names", async () => {
    const path = `p/${"x".repeat(200)}`;
    const record = `path=${path}\n`;
    const pax = `${record.length + 4} ${record}`;
    const tar = tarOf([
      { name: "x", type: "x", content: pax },
      { name: "cut", content: "1" },
      { name: "././@LongLink", type: "L", content: `${path}2\0` },
      { name: "cut", content: "2" },
      { name: "plain", content: "3" },
    ]);
    expect(await list(tar)).toEqual([`0 ${path} 1`, `0 ${path}2 2`, "0 plain 3"]);
  });

  it.each([
    ["cut off in a header", archive.subarray(0, 300), "ends too early"],
    ["cut off in content", archive.subarray(0, 515), "ends too early"],
    ["a damaged header", Buffer.concat([Buffer.from("x"), archive.subarray(1)]), "header of its archive is damaged"],
    ["no archive", Buffer.alloc(1024, 0x41), "header of its archive is damaged"],
  ])("refuses %s", async (_case, bytes, words) => {
    await expect(list(bytes)).rejects.toThrow(words);
    await expect(list(bytes)).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });

  it("stops at the limit", async () => {
    await expect(list(archive, { limit: 2000 })).rejects.toThrow("unpacks to more than 2000 bytes");
  });

  it("bounds the number of entries, also of those that only say something about the next", async () => {
    const many = async (type: string): Promise<void> => {
      const [header] = [tarOf([{ name: "x", type }], { end: false })];
      async function* endless(): AsyncGenerator<Uint8Array> {
        const block = Buffer.concat(Array.from({ length: 1000 }, () => header));
        for (;;) yield block;
      }
      // Not by `expect`: there are very many.
      for await (const { name } of readTar(endless(), Number.MAX_SAFE_INTEGER)) if (name !== "x") throw new Error(name);
    };
    for (const type of ["0", "x", "L"]) {
      await expect(many(type)).rejects.toMatchObject({
        code: "LAYER_INVALID",
        message: expect.stringContaining("entries"),
      });
    }
  });

  it.each([
    ["2^40 bytes", 2 ** 40],
    ["all bytes set", -1],
  ])("allocates nothing for a header that claims %s", async (_case, size) => {
    const tar = Buffer.from(tarOf([{ name: "plugin.wasm", content: "x" }]));
    tar.fill(size === -1 ? 0xff : 0, 124, 136);
    if (size !== -1) {
      tar.writeUInt8(0x80, 124);
      tar.writeBigUInt64BE(BigInt(size), 128);
    }
    tar.write(checksum(tar), 148, "latin1");
    await expect(list(tar)).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });

  it.each([
    ["a sparse file", "22 GNU.sparse.major=1\n", "sparse"],
    ["a size that is no number", "11 size=-1\n", "damaged"],
    ["a size beyond numbers", "27 size=99999999999999999\n", "damaged"],
    ["a record without length", "size=1\n", "damaged"],
    ["a record shorter than it says", "1 size=1\n", "damaged"],
  ])("refuses a pax header with %s", async (_case, record, said) => {
    const tar = tarOf([
      { name: "pax", type: "x", content: record },
      { name: "plugin.wasm", content: "x" },
    ]);
    await expect(list(tar)).rejects.toMatchObject({
      code: "LAYER_INVALID",
      message: expect.stringContaining(said),
    });
  });

  it("bounds the size of names", async () => {
    const tar = Buffer.concat([encodeTarHeader("x", 1 << 20), Buffer.alloc(1 << 20)]);
    tar[156] = "x".codePointAt(0) ?? 0;
    tar.write(checksum(tar), 148, "latin1");
    await expect(list(tar, { limit: 1 << 22 })).rejects.toThrow("64 KiB");
  });

  it("reads to the very end, so that what is verified there is verified", async () => {
    let drained = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunked(archive, 512);
      yield Buffer.alloc(5000);
      drained = true;
    }
    for await (const entry of readTar(source(), 1 << 20)) void entry;
    expect(drained).toBe(true);
  });
});

describe("gzip", () => {
  it("packs without a trace of time or machine, the same every time", async () => {
    const content = Buffer.from("abc".repeat(100_000));
    const one = await gather(gzip(chunked(content, 1000)));
    const two = await gather(gzip(chunked(content, 77_777)));
    expect(one.equals(two)).toBe(true);
    expect([...one.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    expect((await gather(gunzip(chunked(one, 100)))).equals(content)).toBe(true);
  });

  it.each([
    ["not gzip", (gz: Buffer) => Buffer.from(`no${gz.toString("latin1")}`, "latin1")],
    ["cut off", (gz: Buffer) => gz.subarray(0, -9)],
    ["without its checksum", (gz: Buffer) => gz.subarray(0, -4)],
    ["altered", (gz: Buffer) => Buffer.concat([gz.subarray(0, 20), Buffer.from([1, 2, 3, 4]), gz.subarray(24)])],
  ])("refuses a stream that is %s", async (_case, spoil) => {
    const gz = await gather(gzip(chunked(Buffer.from("abc".repeat(100)), 1000)));
    await expect(gather(gunzip(chunked(spoil(gz), 10)))).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });

  it.each([10, 1_000_000])("refuses %i bytes that follow its end", async (count) => {
    const gz = await gather(gzip(chunked(Buffer.from("abc".repeat(100)), 1000)));
    const longer = Buffer.concat([gz, Buffer.alloc(count, 0x41)]);
    await expect(gather(gunzip(chunked(longer, 1000)))).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });

  it("reads members that follow one another as one stream", async () => {
    const [one, two] = await Promise.all(
      ["first ", "second"].map((text) => gather(gzip(chunked(Buffer.from(text), 10)))),
    );
    const both = Buffer.concat([one ?? Buffer.alloc(0), two ?? Buffer.alloc(0)]);
    for (const size of [1, 5, 1000]) {
      expect((await gather(gunzip(chunked(both, size)))).toString()).toBe("first second");
    }
    const cut = Buffer.concat([both, Buffer.from([0x1f, 0x8b, 0x08])]);
    await expect(gather(gunzip(chunked(cut, 1000)))).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });

  it("passes the error of its source on as it is", async () => {
    await expect(gather(gunzip(broken()))).rejects.toThrow("source broke");
  });

  it("closes its source when the reader stops early", async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(100_000, Math.random());
      } finally {
        closed = true;
      }
    }
    for await (const chunk of gzip(endless())) {
      expect(chunk.byteLength).toBeGreaterThan(0);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(true);
  });
});

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from([0x1f, 0x8b]);
  throw new Error("source broke");
}

/** The header's checksum: the sum of its bytes with the field itself as blanks. */
function checksum(tar: Buffer): string {
  const header = Buffer.from(tar.subarray(0, 512));
  header.fill(0x20, 148, 156);
  return `${header
    .reduce((sum, byte) => sum + byte, 0)
    .toString(8)
    .padStart(6, "0")}\0 `;
}
