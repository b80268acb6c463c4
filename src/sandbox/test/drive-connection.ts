import type { CaseWorld } from "./case-world.ts";
import type { Connection } from "./model.ts";
import type { Place } from "./shape.ts";
import { connectionInfo, TcpExchange } from "./tcp-exchange.ts";
import { streamInfo } from "./given.ts";
import { contentBytes, nanoseconds } from "./values.ts";

/** Drives a TCP connection through the filters of a case. */
export function runConnection(world: CaseWorld, connection: Connection, at: Place): void {
  const { session, checks, readBytes } = world;
  const info = connectionInfo(session, { protocol: "", ...streamInfo(world.planned.given, readBytes) });
  const live = new TcpExchange(session, info);
  live.open();
  let delay = 0n;
  for (const event of connection.data) {
    delay += nanoseconds(event.after);
    session.time.after(delay, () => {
      if (event.downstream !== undefined) live.fromDownstream(contentBytes(event.downstream, readBytes));
      if (event.upstream !== undefined) live.fromUpstream(contentBytes(event.upstream, readBytes));
      if (event.close !== undefined) live.closedBy(event.close);
    });
  }
  session.runUntil(() => session.time.waiting === 0);
  const { expect } = connection;
  const closed = live.closedByFilter;
  live.destroy();
  for (const side of ["upstream", "downstream"] as const) {
    const matcher = expect?.[side];
    if (matcher !== undefined) checks.value([...at, "expect", side], `bytes to the ${side}`, matcher, live.sent(side));
  }
  if (expect?.closed !== undefined && expect.closed !== closed) {
    const [wanted, actual] = [expect.closed, closed].map((is) => (is ? "closed" : "left open"));
    checks.fail([...at, "expect", "closed"], `the filter ${actual} the connection, expected ${wanted}`, {
      expected: wanted ?? "",
      actual: actual ?? "",
      replacement: closed,
    });
  }
}
