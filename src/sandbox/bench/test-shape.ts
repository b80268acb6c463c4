import { requestHeaders, responseHeaders } from "../test/exchange-defaults.ts";
import type { ReadBytes } from "../test/matchers.ts";
import type { Exchange } from "../test/model.ts";
import { bodyPieces, headerPairs } from "../test/values.ts";
import type { StreamShape } from "./stream-shape.ts";

/** The stream a test describes: its request and the answer of its upstream, with a test's defaults. Times are left out. */
export function shapeOfTest({ request = {}, upstream = {} }: Exchange, readBytes: ReadBytes): StreamShape {
  const sent = bodyPieces(request.body, readBytes);
  const answered = bodyPieces(upstream.body, readBytes);
  const bare = sent.length === 0 && request.trailers === undefined;
  return {
    requestHeaders: requestHeaders(request, request.protocol ?? "http1", bare ? undefined : sent).flat,
    requestBody: sent.map(({ bytes }) => bytes),
    requestTrailers: request.trailers === undefined ? undefined : headerPairs(request.trailers).flat(),
    responseHeaders: responseHeaders(upstream, answered).flat,
    responseBody: answered.map(({ bytes }) => bytes),
    responseTrailers: upstream.trailers === undefined ? undefined : headerPairs(upstream.trailers).flat(),
  };
}
