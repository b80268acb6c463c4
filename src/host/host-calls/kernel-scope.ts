import type { BodyBuffer } from "../body-buffer.ts";
import type { LogLevel } from "../enums.ts";
import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import type { Status } from "../status.ts";
import type { CallScope, GuestContext } from "./scope.ts";

/** A context with all that host calls may do to it: what {@link GuestContext} shows, and the stream behind it. */
export interface KernelContext extends GuestContext {
  /** The map to change it, trailers made on demand where Envoy makes them; maps 0 to 3. */
  mutableMap(type: number): HeaderMap | undefined;
  /** Buffers 0 to 3: the piece under way, or the body held back so far. */
  buffer(type: number): BodyBuffer | undefined;
  /** The request went on and its headers are not to be had any more. */
  readonly requestMapGone: boolean;
  /** The plugin configuration can be read (root contexts, while they are configured). */
  readonly configuring: boolean;
  /** `type` as in `StreamType`, at most 3. */
  continueStream(type: number): Status;
  closeStream(type: number): Status;
  sendLocalResponse(reply: LocalReply): void;
  /** `proxy_done` of the root: Not found when it waits for nothing. */
  done(): Status;
  /** The body of buffer 0 or 1 was changed in length by the guest. */
  bodyChanged(type: number): void;
}

/** The scope of host calls with what only this room's own groups use. */
export interface KernelScope extends CallScope {
  readonly context: KernelContext;
  readonly logLevel: LogLevel;
  readonly vmConfiguration: Uint8Array;
  /** Environment variables of WASI. */
  readonly variables: ReadonlyMap<string, string>;
  log(level: LogLevel, source: "log" | "stdout" | "stderr" | "host", text: string): void;
  /** Says something once per subject. */
  reportOnce(subject: string, ...report: Parameters<CallScope["report"]>): void;
  /** False when there is no such context. */
  setEffectiveContext(id: number): boolean;
  /**
   * Ends the guest when it starts or allocates, where Envoy lets nothing be called but a few functions. The calls that are
   * made most look themselves; a wrapper does it for the others (`restrictions.ts`).
   */
  assertRunning(): void;
  /** The answer of the callback under way counts as the strongest stop. */
  stopIteration(): void;
}
