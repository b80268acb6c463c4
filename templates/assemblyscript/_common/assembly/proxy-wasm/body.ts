import { proxy_get_buffer_bytes, proxy_get_buffer_status, proxy_set_buffer_bytes } from "./host";
import { OUT, clearOut, outNumber, outSize, takeBytes, takeText, valueOut } from "./memory";
import { ok } from "./status";

/** Larger than any buffer: "to the end" for reading and replacing, "behind the end" for appending. */
const END: u32 = 0x7fffffff;

/**
 * The body bytes that the proxy shows to the current callback: this piece, and what was held before it. The proxy does
 * not correct `content-length`: remove that header in the headers callback before the body's length changes.
 */
// @ts-ignore: decorator
@final
export class Body {
  constructor(private type: i32) {}

  /** Size in bytes. */
  size(): u32 {
    clearOut();
    return ok(proxy_get_buffer_status(this.type, OUT, outSize())) ? outNumber() : 0;
  }

  /** At most `length` bytes from `start` on; fewer, or none, when the body is shorter. */
  bytes(start: u32 = 0, length: u32 = END): ArrayBuffer {
    clearOut();
    if (!ok(proxy_get_buffer_bytes(this.type, start, length, OUT, outSize()))) return new ArrayBuffer(0);
    return takeBytes();
  }

  /** The same as text. A piece may end inside a character: collect the whole body before reading text. */
  text(start: u32 = 0, length: u32 = END): string {
    clearOut();
    if (!ok(proxy_get_buffer_bytes(this.type, start, length, OUT, outSize()))) return "";
    return takeText();
  }

  /** Puts other content, a `string` or an `ArrayBuffer`, in place of all of it. */
  replace<T>(content: T): bool {
    return this.write<T>(0, END, content);
  }

  /** Puts content before it. */
  prepend<T>(content: T): bool {
    return this.write<T>(0, 0, content);
  }

  /** Puts content behind it. */
  append<T>(content: T): bool {
    return this.write<T>(END, 0, content);
  }

  /** Cuts the first bytes off. */
  dropFirst(count: u32): bool {
    return this.write<string>(0, count, "");
  }

  private write<T>(start: u32, length: u32, content: T): bool {
    valueOut.set<T>(content);
    return ok(proxy_set_buffer_bytes(this.type, start, length, valueOut.address, valueOut.size));
  }
}

export const requestBodyBuffer: Body = new Body(0);
export const responseBodyBuffer: Body = new Body(1);
export const downstreamBuffer: Body = new Body(2);
export const upstreamBuffer: Body = new Body(3);
export const httpCallBodyBuffer: Body = new Body(4);
export const vmConfigurationBuffer: Body = new Body(6);
export const pluginConfigurationBuffer: Body = new Body(7);
export const foreignArgumentsBuffer: Body = new Body(8);
