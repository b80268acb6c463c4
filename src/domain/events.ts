import type { Digest } from "./digest.ts";

/**
 * What a use case tells while it works; the command line renders it on stderr, a library user may ignore it.
 * Nothing in here is a result: results are returned.
 */
export type ProgressEvent =
  /** A step was reached: `Pushing image …`. One plain line. */
  | { readonly type: "milestone"; readonly message: string }
  /** Something the user should know that does not stop the work. */
  | { readonly type: "warning"; readonly message: string; readonly hint?: string }
  /** Only shown with `--verbose`. Never holds a secret. */
  | { readonly type: "debug"; readonly message: string }
  /** Work of unknown length begins or ends: a spinner. `id` pairs the two. */
  | { readonly type: "task.start"; readonly id: string; readonly message: string }
  | { readonly type: "task.end"; readonly id: string; readonly ok: boolean; readonly message?: string }
  /** Bytes moved of one blob; `done` and `total` in bytes. `done === total` is sent once at the end. */
  | {
      readonly type: "blob.progress";
      readonly digest: Digest;
      readonly direction: "upload" | "download";
      readonly done: number;
      readonly total: number;
    }
  /** A blob arrived whole and was accepted by who checked it. `size` in bytes. */
  | {
      readonly type: "blob.done";
      readonly digest: Digest;
      readonly direction: "upload" | "download";
      readonly size: number;
    }
  /** No more of a download comes, whole or not; `blob.done` follows where what came was kept. */
  | { readonly type: "blob.end"; readonly digest: Digest }
  /** A blob that needed no transfer. */
  | { readonly type: "blob.skipped"; readonly digest: Digest; readonly reason: string }
  /** A line printed by a child process (compiler, container engine): goes to stderr as it is. */
  | { readonly type: "output"; readonly line: string };

/** Takes events. Must not throw. */
export type EventSink = (event: ProgressEvent) => void;

/** Drops every event. */
export const ignoreEvents: EventSink = () => undefined;
