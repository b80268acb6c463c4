import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Checks } from "../../../src/sandbox/test/checks.ts";
import type { ReadBytes } from "../../../src/sandbox/test/matchers.ts";
import type { Connection, Given } from "../../../src/sandbox/test/model.ts";
import type { Place } from "../../../src/sandbox/test/shape.ts";
import { contentBytes } from "../../../src/sandbox/test/values.ts";
import { waitFor } from "../../components/wait.ts";
import { milliseconds } from "./wire.ts";

/** The upstream's end of a connection through Envoy, and the port it is taken at. */
export interface Connections {
  readonly port: number;
  /** The one connection, once it is there. */
  accepted(): End | undefined;
  close(): void;
}

/** One end of a connection and what came there. */
interface End {
  readonly socket: Socket;
  received: string;
}

function endOf(socket: Socket): End {
  const end: End = { socket, received: "" };
  socket.setNoDelay(true);
  socket.on("data", (data: Buffer) => (end.received += data.toString("latin1")));
  socket.on("error", () => undefined);
  return end;
}

/** Listens on a free port. */
export async function startConnections(): Promise<Connections> {
  let end: End | undefined;
  const server = createServer((socket) => (end = endOf(socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = (): void => {
    end?.socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, accepted: () => end, close: stop };
}

/** What driving a connection needs. */
export interface ConnectionFacts {
  readonly port: number;
  readonly given: Given;
  readonly connections: Connections;
  readonly readBytes: ReadBytes;
}

/** Lets both ends do in turn what the test says; each piece has arrived before the next one is sent. */
export async function driveConnection(connection: Connection, at: Place, facts: ConnectionFacts): Promise<Checks> {
  const { port, given, connections, readBytes } = facts;
  const client = endOf(connect(port, "127.0.0.1"));
  await once(client.socket, "connect");
  const hello = proxyLine(given);
  if (hello !== undefined) client.socket.write(hello);
  const upstream = await waitFor("the connection to the upstream", () => connections.accepted());
  const sent = { upstream: "", downstream: "" };
  for (const event of connection.data) {
    await sleep(milliseconds(event.after));
    for (const [from, to, end] of [
      ["downstream", "upstream", client],
      ["upstream", "downstream", upstream],
    ] as const) {
      const content = event[from];
      if (content === undefined) continue;
      const bytes = Buffer.from(contentBytes(content, readBytes));
      end.socket.write(bytes);
      sent[to] += bytes.toString("latin1");
      const other = to === "upstream" ? upstream : client;
      await waitFor(`bytes at the ${to}`, () => (other.received.length >= sent[to].length ? true : undefined));
    }
    if (event.close !== undefined) await close(event.close === "downstream" ? client : upstream);
  }
  const checks = new Checks(readBytes);
  for (const [key, end] of [
    ["upstream", upstream],
    ["downstream", client],
  ] as const) {
    const matcher = connection.expect?.[key];
    if (matcher !== undefined) checks.value([...at, "expect", key], `bytes to the ${key}`, matcher, end.received);
  }
  return checks;
}

async function close({ socket }: End): Promise<void> {
  socket.end();
  await waitFor("the connection to end", () => (socket.closed ? true : undefined));
}

/** The line by which a load balancer before Envoy tells whose connection it is. */
function proxyLine({ properties = {} }: Given): string | undefined {
  const address = (name: string): readonly [string, string] => {
    const value = properties[name];
    const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(typeof value === "string" ? value : "") ?? [];
    return [host, port];
  };
  if (properties["source.address"] === undefined) return undefined;
  const [source, sourcePort] = address("source.address");
  const [destination, destinationPort] = address("destination.address");
  return `PROXY TCP4 ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
}
