import { once } from "node:events";
import { type FileHandle, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openForReading } from "../../../src/cache/content-folder.ts";
import { serveContent } from "../../../src/cache/serve-content.ts";
import { SharedBodies } from "../../../src/cache/shared-bodies.ts";

/** A promise that the test fulfils. */
function later<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}

describe("a module of at most a mebibyte", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-at-once-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** How many times the server gave bytes to the system, and what the client got. */
  const fetched = async (
    size: number,
    { range, bodies = new SharedBodies() }: { readonly range?: string; readonly bodies?: SharedBodies } = {},
  ): Promise<{ writes: number; body: Buffer }> => {
    const path = join(folder, "module");
    await writeFile(path, Buffer.alloc(size, 7));
    let writes = 0;
    const server = createServer((request, response) => {
      const content = {
        etag: "x",
        isFixed: true,
        contentType: "application/wasm",
        open: async () => ({ handle: await open(path), size, version: "1" }),
        bodies,
      };
      void serveContent(request, response, content);
    });
    server.on("connection", (socket: Socket) => {
      // What a stream is given in a row it hands on together: these two are where it leaves the process.
      for (const name of ["_write", "_writev"] as const) {
        const send = Reflect.get(socket, name) as (...given: unknown[]) => void;
        Reflect.set(socket, name, (...given: unknown[]) => {
          writes += 1;
          send.apply(socket, given);
        });
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const headers = range === undefined ? {} : { range };
      const request = get({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", headers, agent: false });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const body = await buffer(response);
      return { writes, body };
    } finally {
      server.close();
    }
  };

  it.each([1, 300_000, 1024 * 1024])("of %i bytes goes out in one piece with its header", async (size) => {
    const { writes, body } = await fetched(size);
    expect({ writes, size: body.length }).toEqual({ writes: 1, size });
  });

  it("goes out in one piece when only a part is asked for", async () => {
    const { writes, body } = await fetched(3_000_000, { range: "bytes=2000000-2999999" });
    expect({ writes, size: body.length }).toEqual({ writes: 1, size: 1_000_000 });
  });

  it("goes out piece by piece when there is no memory left for it", async () => {
    const { writes, body } = await fetched(300_000, { bodies: new SharedBodies(299_999) });
    expect([body.length, body.every((byte) => byte === 7)]).toEqual([300_000, true]);
    expect(writes).toBeGreaterThan(1);
  });

  it("is told from a larger one, which is never whole in memory", async () => {
    const { writes, body } = await fetched(3_000_000);
    expect(body.length).toBe(3_000_000);
    expect(writes).toBeGreaterThan(5);
  });
});

describe("a body that cannot be sent whole", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-cut-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

  /** Asks a server of its own for `/` without reading, and gives what the server made of it. */
  const asked = async (handle: Handler): Promise<{ readonly socket: Socket; readonly done: Promise<unknown> }> => {
    const done = later<unknown>();
    const server = createServer((request, response) => handle(request, response).then(done.resolve, done.resolve));
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nhost: cache\r\n\r\n");
    return { socket, done: done.promise };
  };

  it("is cut when its file becomes shorter under way, and nothing else breaks", async () => {
    const path = join(folder, "large");
    await writeFile(path, Buffer.alloc(40_000_000, 7));
    const begun = later<void>();
    const { socket, done } = await asked(async (request, response) => {
      response.once("pipe", () => begun.resolve());
      const content = {
        etag: "x",
        isFixed: true,
        contentType: "x",
        open: () => openForReading(path),
        bodies: new SharedBodies(),
      };
      await serveContent(request, response, content);
    });
    await begun.promise;
    await truncate(path, 20_000_000);
    let received = 0;
    socket.on("data", (piece: Buffer) => (received += piece.length)).resume();
    await once(socket, "close");
    await done;
    expect(received).toBeLessThanOrEqual(20_001_000);
    expect(received).toBeGreaterThan(1_000_000);
  });

  it("is given up when its client left while it was read, and its file is closed", async () => {
    const path = join(folder, "small");
    await writeFile(path, Buffer.alloc(1000, 7));
    const [opening, left] = [later<void>(), later<void>()];
    let handle: FileHandle | undefined;
    const { socket, done } = await asked(async (request, response) => {
      response.once("close", () => left.resolve());
      const openLate = async (): ReturnType<typeof openForReading> => {
        opening.resolve();
        await left.promise;
        const file = await openForReading(path);
        handle = file?.handle;
        return file;
      };
      await serveContent(request, response, {
        etag: "x",
        isFixed: true,
        contentType: "x",
        open: openLate,
        bodies: new SharedBodies(),
      });
    });
    await opening.promise;
    socket.destroy();
    await done;
    expect(handle?.fd).toBe(-1);
  });
});

describe("bodies under way", () => {
  it("take no more memory than they may, those of others included", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wasme-shared-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "body"), "0123456789");
    const file = await openForReading(join(folder, "body"));
    if (file === undefined) throw new Error("no file");
    onTestFinished(() => file.handle.close());
    const shared = new SharedBodies(6);
    const use = (start: number, until: Promise<void> = Promise.resolve()): Promise<boolean> =>
      shared.use(file, { name: "x", start, length: 4 }, () => until);
    const end = later<void>();
    const first = use(0, end.promise);
    expect([await use(1), await use(0), await use(1)]).toEqual([false, true, false]);
    end.resolve();
    expect([await first, await use(1), shared.count]).toEqual([true, true, 0]);
  });

  it("are read once for all who take one, and again after the file was put right", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wasme-shared-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, "body");
    const shared = new SharedBodies();
    const end = later<void>();
    const given: (Uint8Array | undefined)[] = [];
    const take = async (length = 4): Promise<void> => {
      const file = await openForReading(path);
      if (file === undefined) throw new Error("no file");
      await shared.use(file, { name: "x", start: 0, length }, async (bytes) => {
        given.push(bytes);
        await end.promise;
      });
      await file.handle.close();
    };
    const taken = async (count: number): Promise<void> => {
      await expect.poll(() => given.length).toBe(count);
    };
    await writeFile(path, "good");
    const all = [take(), take(), take(5)];
    await taken(3);
    expect(given.filter((bytes) => bytes === undefined)).toHaveLength(1);
    expect(new Set(given).size).toBe(2);
    await rm(path);
    await writeFile(`${path}.new`, "evil");
    await writeFile(path, "okay");
    all.push(take());
    await taken(4);
    expect(String(Buffer.from(given[3] ?? []))).toBe("okay");
    end.resolve();
    await Promise.all(all);
    expect(shared.count).toBe(0);
  });
});
