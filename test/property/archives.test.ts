import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fetcher } from "../../src/domain/content.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { openPacked, readPacked } from "../../src/images/packed-layer.ts";
import { chunked, gather } from "../support/archives.ts";
import { longNameMember, paxMember, type RawMember, rawTar } from "../support/raw-tar.ts";

/** Packed layers from anywhere: only ever the first regular plugin.wasm by base name, whatever else is in there. */

/** A member, and the headers before it that say more about it. */
interface Packed {
  readonly headers: readonly RawMember[];
  readonly member: RawMember;
  /** The name a reader must see. */
  readonly name: string;
}

const NAMES = [
  "plugin.wasm",
  "./plugin.wasm",
  "../../plugin.wasm",
  "/etc/plugin.wasm",
  "a/b/plugin.wasm",
  "plugin.wasm/x",
  "xplugin.wasm",
  "Plugin.wasm",
  "plugin.wasm.gz",
  "runtime-config.json",
  "readme",
  "",
];
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NAMES) },
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 90, unit: fc.constantFrom("a", "b", "c", "/", ".", "é", " ", "\\") }),
  },
);
const type = fc.oneof(
  { weight: 3, arbitrary: fc.constant("0") },
  { weight: 1, arbitrary: fc.constantFrom("\u0000", "1", "2", "3", "4", "5", "6", "7") },
);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 3000 }).map((size) => new Uint8Array(size).fill(size % 251)),
);

const packed: fc.Arbitrary<Packed> = fc
  .record({
    name,
    type,
    content,
    magic: fc.constantFrom("ustar", "gnu", "v7"),
    long: fc.constantFrom("none", "none", "pax", "gnu", "both"),
    link: fc.constantFrom("", "/etc/passwd", "plugin.wasm"),
  })
  .map((made) => {
    const { long, ...rest } = made;
    const holds = rest.type === "0" || rest.type === "\u0000" || rest.type === "7";
    const member = { ...rest, magic: rest.magic as "ustar", content: holds ? rest.content : new Uint8Array(0) };
    if (long === "none") return { headers: [], member: { ...member, name: cut(rest.name) }, name: cut(rest.name) };
    const headers = long === "pax" ? [paxMember({ path: rest.name, mtime: "1.5" })] : [longNameMember(rest.name)];
    const more = long === "both" ? [paxMember({ comment: "nothing" })] : [];
    return { headers: [...headers, ...more], member: { ...member, name: "cut short" }, name: rest.name };
  });

/** The hundred bytes a header has room for, no character cut. */
function cut(text: string): string {
  let short = text;
  while (Buffer.byteLength(short) > 100) short = short.slice(0, -1);
  return short;
}

/** What must be found, by another way than the reader's. */
function expected(members: readonly Packed[]): Uint8Array | undefined {
  const found = members.find((each) => {
    return ["0", "\u0000", "7"].includes(each.member.type ?? "0") && each.name.split("/").at(-1) === "plugin.wasm";
  });
  return found?.member.content as Uint8Array | undefined;
}

/** A fetcher of one layer, in chunks, that counts what is taken of it. */
function layerOf(bytes: Uint8Array, chunk = 512): { source: Fetcher; layer: ReturnType<typeof describeBytes> } {
  return { source: { fetch: () => chunked(bytes, chunk) }, layer: describeBytes(MediaType.ociTarGzip, bytes) };
}

/** The module, or the code of the refusal. */
async function moduleOf(bytes: Uint8Array, chunk?: number): Promise<Buffer | string> {
  const { source, layer } = layerOf(bytes, chunk);
  try {
    const { module, head } = await readPacked(source, layer, { where: "it" });
    const taken = await gather(openPacked(source, layer, { where: "it" }));
    expect(module).toEqual({ digest: describeBytes("x", taken).digest, size: taken.byteLength });
    expect(taken.subarray(0, head.byteLength).equals(head)).toBe(true);
    return taken;
  } catch (error) {
    if (error instanceof WasmeError) return error.code;
    throw error;
  }
}

describe("a packed layer", () => {
  it("gives the first regular plugin.wasm by its base name, or says that there is none", async () => {
    const members = fc.array(packed, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(members, fc.integer({ min: 1, max: 2000 }), async (all, chunk) => {
        const tar = rawTar(all.flatMap(({ headers, member }) => [...headers, member]));
        const wanted = expected(all);
        const configs = all.filter((each) => each.name.split("/").at(-1) === "runtime-config.json");
        fc.pre(configs.length === 0 || wanted !== undefined);
        const got = await moduleOf(gzipSync(tar, { level: 1 }), chunk);
        expect(got).toEqual(wanted === undefined ? "LAYOUT_UNKNOWN" : Buffer.from(wanted));
      }),
      { numRuns: 400 },
    );
  });

  it("is the same however many gzip members it is made of", async () => {
    const tar = rawTar([
      { name: "a", content: "x".repeat(3000) },
      { name: "plugin.wasm", content: "the module".repeat(500) },
    ]);
    const places = fc.array(fc.nat(tar.byteLength), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(places, fc.integer({ min: 1, max: 700 }), async (cuts, chunk) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), tar.byteLength];
        const parts = at.slice(1).map((end, index) => gzipSync(tar.subarray(at[index], end)));
        expect(await moduleOf(Buffer.concat(parts), chunk)).toEqual(Buffer.from("the module".repeat(500)));
      }),
      { numRuns: 100 },
    );
  });

  it("that is damaged or cut is refused, or gives its module; never something else", async () => {
    const tar = rawTar([
      { name: "other", content: "decoy" },
      paxMember({ path: "deep/plugin.wasm" }),
      { name: "cut", content: "the module".repeat(100) },
      { name: "plugin.wasm", content: "another" },
    ]);
    const whole = gzipSync(tar);
    const damage = fc.array(fc.tuple(fc.nat(whole.byteLength - 1), fc.nat(255)), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        damage,
        fc.nat(whole.byteLength),
        fc.uint8Array({ maxLength: 20 }),
        async (changes, length, tail) => {
          const bytes = Buffer.concat([whole.subarray(0, length), tail]);
          for (const [at, value] of changes) if (at < bytes.byteLength) bytes[at] = value;
          const got = await moduleOf(bytes);
          // gzip's own checksum finds every change in what it holds.
          expect(typeof got === "string" || got.toString() === "the module".repeat(100)).toBe(true);
          expect(got).not.toBe("LAYOUT_UNKNOWN");
        },
      ),
      { numRuns: 400 },
    );
  });

  it("whose tar is damaged under a sound gzip never gives more than is in it", async () => {
    const tar = rawTar([
      paxMember({ path: "deep/plugin.wasm", size: "1000" }),
      { name: "cut", content: "m".repeat(1000) },
      longNameMember("x".repeat(300)),
      { name: "y", content: "z" },
    ]);
    const damage = fc.array(fc.tuple(fc.nat(tar.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(tar.byteLength), async (changes, length) => {
        const bytes = Buffer.from(tar);
        for (const [at, value] of changes) bytes[at] = value;
        const got = await moduleOf(gzipSync(bytes.subarray(0, length), { level: 1 }));
        expect(typeof got === "string" ? got : got.byteLength).toSatisfy((end: unknown) => {
          return typeof end === "number"
            ? end <= length
            : ["LAYER_INVALID", "LAYOUT_UNKNOWN", "IMAGE_CONFIG_INVALID"].includes(String(end));
        });
      }),
      { numRuns: 400 },
    );
  });

  it("is never given room by what its headers claim", async () => {
    const claims = fc.record({
      name,
      type: fc.constantFrom("0", "x", "L", "g", "K", "5", "2"),
      claimed: fc.bigInt({ min: 2n ** 27n, max: 2n ** 52n }).map(Number),
      pax: fc.boolean(),
    });
    const before = memory();
    await fc.assert(
      fc.asyncProperty(claims, async ({ pax, claimed, ...rest }) => {
        const small = { ...rest, type: "0", content: "few bytes" };
        const members = pax ? [paxMember({ size: String(claimed) }), small] : [{ ...small, type: rest.type, claimed }];
        expect(await moduleOf(gzipSync(rawTar(members)))).toBe("LAYER_INVALID");
      }),
      { numRuns: 200 },
    );
    expect(memory() - before).toBeLessThan(64 * 2 ** 20);
  });
});

function memory(): number {
  const { arrayBuffers, external } = process.memoryUsage();
  return arrayBuffers + external;
}
