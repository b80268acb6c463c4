import { Body, httpCallBodyBuffer } from "./body";
import { HeaderMap, httpCallHeaderMap, httpCallTrailerMap } from "./header-map";
import { proxy_http_call } from "./host";
import { OUT, Outgoing, detailOut, nameOut, outNumber, valueOut } from "./memory";
import { encodePairs } from "./pairs";
import { ok } from "./status";

/** The answer to an HTTP call, readable during `onHttpCallResponse` only. */
// @ts-ignore: decorator
@final
export class HttpCallResponse {
  constructor(
    /** Size of the body in bytes. */
    readonly bodySize: u32,
  ) {}

  /**
   * The HTTP status; 503 or 504 when the upstream could not be reached or was too slow, and 0 when a proxy gives no
   * answer at all.
   */
  get status(): i32 {
    const status = httpCallHeaderMap.get(":status");
    return status ? I32.parseInt(status) : 0;
  }

  get headers(): HeaderMap {
    return httpCallHeaderMap;
  }

  get body(): Body {
    return httpCallBodyBuffer;
  }

  get trailers(): HeaderMap {
    return httpCallTrailerMap;
  }
}

const trailersOut: Outgoing = new Outgoing(0, -1);

/** Call number to the id of the context that made the call: the proxy answers to the root context alone. */
const callers: Map<u32, u32> = new Map();

/** Makes an HTTP call in the name of a context; the call's number, or -1; see `RootContext.httpCall`. */
export function startHttpCall<T>(
  caller: u32,
  cluster: string,
  headers: string[][],
  body: T,
  timeout: u32,
  trailers: string[][],
): i32 {
  nameOut.setText(cluster);
  valueOut.set<T>(body);
  const headerBytes = encodePairs(headers);
  const trailerBytes = encodePairs(trailers);
  detailOut.setBytes(headerBytes);
  trailersOut.setBytes(trailerBytes);
  const status = proxy_http_call(
    nameOut.address,
    nameOut.size,
    detailOut.address,
    detailOut.size,
    valueOut.address,
    valueOut.size,
    trailersOut.address,
    trailersOut.size,
    timeout,
    OUT,
  );
  if (!ok(status)) return -1;
  const call = outNumber();
  callers.set(call, caller);
  return call;
}

/** Who made a call, and forgets it; 0 if nobody is known to. */
export function takeCaller(call: u32): u32 {
  if (!callers.has(call)) return 0;
  const caller = callers.get(call);
  callers.delete(call);
  return caller;
}
