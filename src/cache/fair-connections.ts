import type { Server } from "node:net";

/**
 * Lets no address have more than `most` connections of a server: what comes beyond is cut, which clients try again. So
 * one pod that opens connections and takes nothing cannot keep the others out.
 */
export function shareConnections(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on("connection", (socket) => {
    const from = socket.remoteAddress ?? "";
    const count = open.get(from) ?? 0;
    if (count >= most) {
      socket.destroy();
      return;
    }
    open.set(from, count + 1);
    socket.once("close", () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
  });
}
