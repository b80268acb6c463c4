import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A wire to a server that breaks. */
export interface CutProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Bytes that clients sent so far and the server was given. */
  passed(): number;
  /** True once it broke. */
  isCut(): boolean;
  stop(): Promise<void>;
}

/**
 * Leads connections to `target` (`HOST:PORT`), byte for byte. When clients have sent `cutAfter` bytes in all, the
 * connection that brought the last of them is reset on both sides, once; later ones are left alone.
 */
export async function startCutProxy(target: string, cutAfter: number): Promise<CutProxy> {
  const { hostname, port } = new URL(`http://${target}`);
  const open = new Set<Socket>();
  let passed = 0;
  let isCut = false;
  const server = createServer((client) => {
    const onward = connect(Number(port), hostname);
    for (const socket of [client, onward]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        client.destroy();
        onward.destroy();
      });
    }
    onward.pipe(client);
    client.on("data", (chunk: Buffer) => {
      const room = isCut ? chunk.byteLength : Math.min(chunk.byteLength, cutAfter - passed);
      passed += room;
      onward.write(chunk.subarray(0, room));
      if (isCut || passed < cutAfter) return;
      isCut = true;
      client.resetAndDestroy();
      onward.resetAndDestroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed: () => passed,
    isCut: () => isCut,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
