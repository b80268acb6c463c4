import { createHttpTransport, type HttpRequest, type HttpTransport } from "../../src/platform/http-transport.ts";

/** Limits of silence for one request, in milliseconds; the same names as in `HttpRequest`. */
export type Hurry = Pick<HttpRequest, "idleTimeoutMs" | "bodyIdleTimeoutMs">;

const PATIENT: Hurry = { idleTimeoutMs: 60_000, bodyIdleTimeoutMs: 60_000 };

/**
 * A transport whose limits ring only for the requests that `hurry` gives some: those a test keeps silent. For all others
 * they are far away, so that a moment in which the machine does nothing for the test adds no request to those it counts.
 */
export function hurriedTransport(hurry: (request: HttpRequest) => Hurry | undefined): HttpTransport {
  const transport = createHttpTransport({ env: {} });
  return {
    send: async (request) => await transport.send({ ...request, ...PATIENT, ...hurry(request) }),
    close: () => transport.close(),
  };
}
