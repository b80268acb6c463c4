import { createServer, type Socket } from "node:net";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type TcpSpec } from "../scenario.ts";
import { listening, type Upstream } from "./upstream.ts";

/** A TCP server that answers its n-th connection as the n-th spec says. */
export function startTcpUpstream(specs: readonly TcpSpec[]): Promise<Upstream> {
  const connections: { -readonly [Key in keyof SeenMessage]: SeenMessage[Key] }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    const spec = specs[connections.length];
    const seen = { start: "tcp", headers: [], body: "", trailers: [], end: "hanging" };
    connections.push(seen);
    const answers = [...(spec?.answers ?? [])];
    const serve = (): void => {
      const due = answers.filter(({ afterBytes }) => afterBytes <= seen.body.length);
      answers.splice(0, due.length);
      const data = due.map((answer) => answer.data).join("");
      if (data !== "") socket.write(Buffer.from(data, "latin1"));
      if (answers.length === 0 && spec?.serverCloses === true) endLater(socket);
    };
    socket.on("data", (data) => {
      seen.body += data.toString("latin1");
      serve();
    });
    socket.on("error", () => (seen.end = "reset"));
    socket.on("end", () => {
      seen.end = "complete";
      endLater(socket);
    });
    serve();
  });
  return listening(server, sockets, () => connections);
}

/** The end by itself, not in one piece with the last data. */
function endLater(socket: Socket): void {
  setTimeout(() => socket.end(), GAP_MS);
}
