import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HandClock } from "./clock.ts";

/** What the server does with one request; `clock` moves the asker's time while it waits. */
export type Turn = (response: ServerResponse, clock: HandClock) => void | Promise<void>;

/** A server whose every answer is written down beforehand. */
export interface ScriptedServer {
  readonly port: number;
  readonly url: string;
  /** Requests that came. */
  count(): number;
  close(): void;
}

/** Answers the first request with the first turn, and so on; the last turn again and again. */
export async function scriptedServer(clock: HandClock, turns: readonly Turn[]): Promise<ScriptedServer> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    request.resume();
    response.on("error", () => undefined);
    const turn = turns[Math.min(count, turns.length - 1)];
    count += 1;
    void turn?.(response, clock);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    count: () => count,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
