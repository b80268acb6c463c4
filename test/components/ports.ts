import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/**
 * `count` TCP ports that were free on 127.0.0.1 a moment ago, all different. For programs that cannot take
 * port 0 and say what they got; prefer that where it exists.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
