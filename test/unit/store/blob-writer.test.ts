import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BodySource } from "../../../src/domain/content.ts";
import type { Descriptor } from "../../../src/domain/descriptor.ts";
import { parseDigest } from "../../../src/domain/digest.ts";
import { createHttpTransport, type HttpTransport } from "../../../src/platform/http-transport.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";

/** Large enough for the disk to be asked twice before the end. */
const BYTES: Buffer = randomBytes(70 * 1024 * 1024);
const LARGE: Descriptor = {
  mediaType: "application/octet-stream",
  digest: parseDigest(`sha256:${createHash("sha256").update(BYTES).digest("hex")}`),
  size: BYTES.byteLength,
};
const dir: string = mkdtempSync(join(tmpdir(), "wasme-blob-writer-"));
let server: Server;
let transport: HttpTransport;
let count = 0;

beforeAll(async () => {
  transport = createHttpTransport({ env: {} });
  server = createServer((_request, response) => response.writeHead(200, { "content-length": LARGE.size }).end(BYTES));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  transport.close();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function emptyStore(): ImageStore {
  count += 1;
  return openStore(join(dir, String(count)));
}

/** Odd pieces of the content, up to `end`; then an error unless that is all. */
function inPieces(end = LARGE.size): BodySource {
  return {
    size: LARGE.size,
    async *open() {
      for (let at = 0; at < end; at += 333_333) yield BYTES.subarray(at, Math.min(end, at + 333_333));
      if (end < LARGE.size) throw new Error("the source broke");
    },
  };
}

it("writes large content as it came", async () => {
  const store = emptyStore();
  expect(await store.push(LARGE, inPieces())).toBe("written");
  expect(await store.verify(LARGE)).toBe(true);
});

it("leaves nothing of large content that broke off", async () => {
  const store = emptyStore();
  await expect(store.push(LARGE, inPieces(50_000_000))).rejects.toThrow("the source broke");
  expect(await store.exists(LARGE)).toBe(false);
  expect(readdirSync(join(store.dir, "ingest"))).toEqual([]);
});

it("writes what a connection read before its memory is read into again", async () => {
  const store = emptyStore();
  const { port } = server.address() as AddressInfo;
  const response = await transport.send({ method: "GET", url: new URL(`http://127.0.0.1:${port}/`) });
  const memory = new Set<ArrayBufferLike>();
  const body: BodySource = {
    size: LARGE.size,
    async *open() {
      for await (const piece of response.body) {
        memory.add(piece.buffer);
        yield piece;
      }
    },
  };
  // Nothing is hashed on the way here: only reading the file again shows what was written.
  expect(await store.pushVerified(LARGE, body)).toBe("written");
  expect(await store.verify(LARGE)).toBe(true);
  expect(memory.size).toBeLessThan(40);
});
