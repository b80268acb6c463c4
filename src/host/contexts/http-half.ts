import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";

/** What a guest sees of one half of a stream at this moment. Each part is gone when its callback answered Continue. */
export class HttpHalf {
  readonly of: "request" | "response";
  headers: HeaderMap | undefined = undefined;
  /** The piece under way; the held body is asked of the exchange while `buffering`. */
  body: BodyBuffer | undefined = undefined;
  trailers: HeaderMap | undefined = undefined;
  /** The last body callback wanted more before it goes on. */
  buffering = false;
  /** The headers as they came, whether the guest may see them or not. */
  sent: HeaderMap | undefined = undefined;
  /** The headers callback is under way. */
  inHeaders = false;
  /** `continue_stream` was called in it. */
  continued = false;
  /** … and then it answered Continue. */
  misused = false;
  /** It was reported that the body's length does not fit `content-length`. */
  lengthLeft = false;

  constructor(of: "request" | "response") {
    this.of = of;
  }

  forget(): void {
    this.headers = undefined;
    this.body = undefined;
    this.trailers = undefined;
  }
}
