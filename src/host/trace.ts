/** Everything that crosses the border between host and guest, in order. */
export type TraceEvent =
  /** The host calls the guest. */
  | {
      readonly type: "callback";
      readonly plugin: string | undefined;
      readonly contextId: number;
      /** Export: `proxy_on_request_headers`. */
      readonly name: string;
      readonly args: readonly number[];
    }
  /** The guest returned: the number, `undefined` for a callback without a result, or the trap's text. */
  | {
      readonly type: "return";
      readonly name: string;
      readonly result: number | undefined;
      readonly trap: string | undefined;
    }
  /** The guest called the host; told when the call is over. */
  | {
      readonly type: "call";
      readonly contextId: number;
      /** Import: `proxy_get_header_map_value`. */
      readonly name: string;
      /** Arguments as a person reads them: decoded strings, enum names, numbers. */
      readonly args: readonly (string | number | bigint)[];
      readonly status: number;
      /** What was handed back, shortened for reading. */
      readonly result: string | number | bigint | undefined;
    };

/** Takes trace events. Must not throw. */
export type TraceSink = (event: TraceEvent) => void;
