import { TcpExchange } from "../host/exchange/tcp-exchange.ts";
import type { SmokeStream } from "./smoke-result.ts";
import { ADDRESS, encode, type SmokeStage } from "./smoke-world.ts";

/** Opens one connection: a few bytes each way, then the client closes. */
export function runConnection({ host, plugin, world }: SmokeStage): readonly SmokeStream[] {
  const seen = { opened: 0, closed: false };
  const exchange = new TcpExchange({
    filters: [plugin],
    clock: world.clock,
    report: (report) => world.environment.report?.(report),
    info: { source: ADDRESS, destination: ADDRESS, connectionId: 1n },
    upstream: {
      open: () => {
        seen.opened += 1;
      },
      data: () => undefined,
      close: () => undefined,
      pause: () => undefined,
    },
    downstream: {
      data: () => undefined,
      close: () => {
        seen.closed = true;
      },
      pause: () => undefined,
    },
  });
  exchange.connected();
  world.turn(host, () => exchange.ended || seen.opened > 0);
  if (seen.opened > 0) exchange.upstreamConnected();
  for (const piece of ["hello ", "world"]) exchange.downstreamData(encode(piece), false);
  world.turn(host, () => exchange.ended);
  exchange.upstreamData(encode("hello yourself"), false);
  world.turn(host, () => exchange.ended);
  const ended = seen.opened > 0 && !exchange.ended;
  exchange.downstreamClosed();
  world.turn(host, () => false);
  return [{ name: "TCP connection", ended: ended || seen.closed, pausedIn: [], upstreamRequests: seen.opened }];
}
