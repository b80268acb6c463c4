import type { HttpFilter, HttpFilterCallbacks, HttpFilterFactory } from "../../../src/host/http-filter.ts";
import { latin1Bytes } from "./bytes.ts";

/** What the router does for a route with `direct_response`: a local reply. */
export function directResponse(body: string): HttpFilterFactory {
  return {
    name: "direct",
    createHttpFilter: (): HttpFilter => {
      let callbacks: HttpFilterCallbacks | undefined;
      return {
        attach: (given) => {
          callbacks = given;
        },
        decodeHeaders: () => {
          callbacks?.sendLocalReply({
            status: 200,
            body: latin1Bytes(body),
            headers: [],
            grpcStatus: undefined,
            details: "direct_response",
          });
          return "stop-iteration";
        },
        decodeData: () => "continue",
        decodeTrailers: () => "continue",
        decodeMetadata: () => undefined,
        encodeHeaders: () => "continue",
        encodeData: () => "continue",
        encodeTrailers: () => "continue",
        encodeMetadata: () => undefined,
        log: () => undefined,
        destroy: () => undefined,
      };
    },
  };
}
