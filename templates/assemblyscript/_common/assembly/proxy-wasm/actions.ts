/** What a headers callback answers. */
export const enum HeadersAction {
  /** Pass the headers on. */
  Continue = 0,
  /** Hold headers and everything behind them until `continueRequest` or `continueResponse`. */
  Pause = 1,
  /** The same, and collect the body meanwhile, up to the proxy's buffer limit. */
  PauseAndBuffer = 3,
  /** The same, and stop reading from the peer when the buffer is full. */
  PauseAndWatermark = 4,
}

/** What a body callback answers. */
export const enum BodyAction {
  /** Pass this piece, and what was collected before it, on. */
  Continue = 0,
  /** Collect: the next callback sees the whole body so far. The way to rewrite a body: collect until `endOfStream`. */
  PauseAndBuffer = 1,
  /** Hold, and stop reading from the peer when the buffer is full. */
  PauseAndWatermark = 2,
  /** Hold, and drop this piece. */
  PauseWithoutBuffer = 3,
}

/** What a trailers callback, or a TCP callback, answers. */
export const enum Action {
  Continue = 0,
  Pause = 1,
}

/** Who closed a TCP connection. */
export const enum PeerType {
  Unknown = 0,
  Local = 1,
  Remote = 2,
}
