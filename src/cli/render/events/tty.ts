import type { Digest } from "../../../domain/digest.ts";
import { assertNever } from "../../../domain/errors.ts";
import { redact } from "../../../domain/redact.ts";
import type { Channel } from "../../../platform/terminal.ts";
import { blobLine, type Renderer, warningLine } from "./renderer.ts";
import { type Transfer, trackTransfer, transferLine } from "./transfer-bar.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 80;

/** Spinners and bars redrawn in place under the lines already printed; wiped when closed. */
export function ttyRenderer(stderr: Channel): Renderer {
  const tasks = new Map<string, string>();
  const bars = new Map<Digest, Transfer>();
  let drawn = 0;
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;

  const wipe = (): string => (drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`);
  const draw = (above = ""): void => {
    const live = liveLines(tasks, bars, FRAMES[frame % FRAMES.length] ?? "", stderr);
    stderr.write(wipe() + above + live.map((text) => `${text}\n`).join(""));
    drawn = live.length;
  };
  const schedule = (): void => {
    if (tasks.size + bars.size === 0 || timer !== undefined) return;
    timer = setInterval(() => {
      frame += 1;
      draw();
    }, FRAME_MS);
    timer.unref();
  };
  const line = (text: string): void => draw(`${text}\n`);

  return {
    line,
    close: () => {
      clearInterval(timer);
      timer = undefined;
      tasks.clear();
      bars.clear();
      draw();
    },
    show: (event) => {
      switch (event.type) {
        case "milestone":
          return line(redact(event.message));
        case "warning":
          return line(warningLine(event, stderr.style));
        case "output":
          return line(stderr.style.dim(redact(event.line)));
        case "task.start":
          tasks.set(event.id, redact(event.message));
          draw();
          return schedule();
        case "task.end":
          return endTask(event);
        case "blob.progress":
          bars.set(event.digest, trackTransfer(bars.get(event.digest), event, performance.now()));
          return schedule();
        case "blob.end":
          return bars.delete(event.digest) ? draw() : undefined;
        case "blob.done":
        case "blob.skipped":
          bars.delete(event.digest);
          return line(stderr.style.dim(blobLine(event)));
        default:
          return assertNever(event);
      }
    },
  };

  function endTask(event: { id: string; ok: boolean; message?: string }): void {
    const title = event.message ?? tasks.get(event.id);
    tasks.delete(event.id);
    // What ends after the screen was wiped was interrupted, which has been said.
    if (title === undefined) return;
    const mark = event.ok ? stderr.style.green("✔") : stderr.style.red("✖");
    line(`${mark} ${redact(title)}`);
  }
}

function liveLines(tasks: Map<string, string>, bars: Map<Digest, Transfer>, frame: string, stderr: Channel): string[] {
  const spinners = [...tasks.values()].map(
    (message) => `${stderr.style.cyan(frame)} ${fit(message, stderr.width - 2)}`,
  );
  return [...spinners, ...[...bars.values()].map((bar) => transferLine(bar, stderr, performance.now()))];
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
