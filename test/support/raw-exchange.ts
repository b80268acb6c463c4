import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Sends bytes on a plain connection to this machine, part by part, and gives all that comes back until it is closed. An
 * error counts as the end: a refusal may be followed by a reset, for the rest of the request was not read.
 */
export async function rawExchange(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let got = "";
  socket.setEncoding("latin1").on("data", (text: string) => (got += text));
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.on("close", resolve));
  for (const [at, part] of parts.entries()) {
    if (at > 0) await delay(20);
    socket.write(part, "latin1");
  }
  await closed;
  return got;
}
