import type { Traffic } from "../domain/traffic.ts";
import type { HttpTransport } from "../platform/http-transport.ts";

/** A transport that counts what goes over it. */
export interface CountedTransport extends HttpTransport {
  traffic(): Traffic;
}

/** Counts every request sent over `transport`, whatever became of it. */
export function countTraffic(transport: HttpTransport): CountedTransport {
  let requests = 0;
  return {
    send: (request) => {
      requests += 1;
      return transport.send(request);
    },
    close: () => transport.close(),
    traffic: () => ({ requests }),
  };
}
