import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { shareConnections } from "../../../src/cache/fair-connections.ts";

it("lets one address have its share of connections, and another one when one of them ended", async () => {
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  shareConnections(server, 2);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  /** Whether a new connection from this address is served. */
  const served = async (localAddress: string): Promise<boolean> => {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    sockets.push(socket);
    return await new Promise((resolve) => {
      socket.on("error", () => resolve(false)).on("close", () => resolve(false));
      socket.once("data", () => resolve(true)).write("x");
    });
  };
  expect([await served("127.0.0.1"), await served("127.0.0.1"), await served("127.0.0.1")]).toEqual([
    true,
    true,
    false,
  ]);
  expect(await served("127.0.0.2")).toBe(true);
  sockets[0]?.destroy();
  await expect.poll(() => served("127.0.0.1"), { timeout: 20_000 }).toBe(true);
});
