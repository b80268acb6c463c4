import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { startRegistry } from "../components/registry.ts";
import { need } from "../components/require-component.ts";
import { readAll, testImage } from "../support/fault-image.ts";

/** A line that breaks amid an upload; what a registry keeps of it, and how it tells, differs from one to the next. */
describe.each(registryKinds)("%s behind a line that breaks", (kind) => {
  it.for([
    ["as a whole", {}],
    ["in pieces", { chunkSize: 300_000 }],
  ] as const)("takes a blob %s", async ([way, options], context) => {
    const registry = await need(context, componentOf[kind], () => startRegistry({ kind }));
    const line = await breakingLine(registry.host, [500_000, 1_200_000]);
    const client = createRegistryClient({ env: {}, ...options });
    try {
      const { module, moduleDescriptor } = testImage(2_000_000, way);
      const to = client.repository(parseImageReference(`${line.host}/demo/broken:v1`), "push");
      expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("written");
      expect(line.breaks).toEqual([]);
      expect(digestOf(await readAll(to.fetch(moduleDescriptor)))).toBe(moduleDescriptor.digest);
    } finally {
      client.close();
      await line.close();
      await registry.stop();
    }
  });
});

interface Line {
  readonly host: string;
  /** Where it has yet to break. */
  readonly breaks: readonly number[];
  close(): Promise<void>;
}

/** Passes bytes on to a server; resets the connection after so many bytes were sent over the line, once for each number. */
async function breakingLine(target: string, at: readonly number[]): Promise<Line> {
  const [host = "", port = ""] = target.split(":");
  const breaks = [...at];
  const sockets = new Set<Socket>();
  let sent = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    far.pipe(near);
    near.on("data", (chunk: Buffer) => {
      sent += chunk.byteLength;
      far.write(chunk);
      if (sent < (breaks[0] ?? Number.POSITIVE_INFINITY)) return;
      breaks.shift();
      near.resetAndDestroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    breaks,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
