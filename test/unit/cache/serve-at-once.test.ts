import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serveContent } from "../../../src/cache/serve-content.ts";

describe("a module of at most a mebibyte", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-at-once-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** How many times the server gave bytes to the system, and what the client got. */
  const fetched = async (size: number, range?: string): Promise<{ writes: number; body: Buffer }> => {
    const path = join(folder, "module");
    await writeFile(path, Buffer.alloc(size, 7));
    let writes = 0;
    const server = createServer((request, response) => {
      const content = {
        etag: "x",
        contentType: "application/wasm",
        open: async () => ({ handle: await open(path), size }),
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
    const { writes, body } = await fetched(3_000_000, "bytes=2000000-2999999");
    expect({ writes, size: body.length }).toEqual({ writes: 1, size: 1_000_000 });
  });

  it("is told from a larger one, which is never whole in memory", async () => {
    const { writes, body } = await fetched(3_000_000);
    expect(body.length).toBe(3_000_000);
    expect(writes).toBeGreaterThan(5);
  });
});
