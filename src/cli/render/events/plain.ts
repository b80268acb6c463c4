import { assertNever } from "../../../domain/errors.ts";
import { redact } from "../../../domain/redact.ts";
import type { Channel } from "../../../platform/terminal.ts";
import { blobLine, type Renderer, warningLine } from "./renderer.ts";

/** One line per milestone: for logs, pipes and CI. */
export function plainRenderer(stderr: Channel): Renderer {
  const line = (text: string): void => stderr.write(`${text}\n`);
  return {
    line,
    close: () => undefined,
    show: (event) => {
      switch (event.type) {
        case "milestone":
        case "task.start":
          return line(redact(event.message));
        case "task.end":
          return event.message === undefined ? undefined : line(redact(event.message));
        case "warning":
          return line(warningLine(event, stderr.style));
        case "output":
          return line(redact(event.line));
        case "blob.done":
        case "blob.skipped":
          return line(blobLine(event));
        case "blob.progress":
        case "blob.end":
          return undefined;
        default:
          return assertNever(event);
      }
    },
  };
}
