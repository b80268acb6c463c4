import { type Digest, shortDigest } from "../../../domain/digest.ts";
import { assertNever } from "../../../domain/errors.ts";
import { redact } from "../../../domain/redact.ts";
import type { Channel } from "../../../platform/terminal.ts";
import { formatSize } from "../size.ts";
import { type Renderer, warningLine } from "./renderer.ts";

interface Bar {
  readonly digest: Digest;
  readonly direction: "upload" | "download";
  readonly total: number;
  done: number;
  readonly since: number;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 80;
const BAR_WIDTH = 24;

/** Spinners and bars redrawn in place under the lines already printed; wiped when closed. */
export function ttyRenderer(stderr: Channel): Renderer {
  const tasks = new Map<string, string>();
  const bars = new Map<Digest, Bar>();
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
          track(bars, event);
          return schedule();
        case "blob.skipped":
          return line(stderr.style.dim(`${shortDigest(event.digest)}  ${redact(event.reason)}`));
        default:
          return assertNever(event);
      }
    },
  };

  function endTask(event: { id: string; ok: boolean; message?: string }): void {
    const title = event.message ?? tasks.get(event.id) ?? "";
    tasks.delete(event.id);
    const mark = event.ok ? stderr.style.green("✔") : stderr.style.red("✖");
    line(`${mark} ${redact(title)}`);
  }
}

function track(bars: Map<Digest, Bar>, event: Omit<Bar, "since">): void {
  const { digest, direction, total, done } = event;
  const bar = bars.get(digest);
  if (bar === undefined) bars.set(digest, { digest, direction, total, done, since: performance.now() });
  else bar.done = done;
}

function liveLines(tasks: Map<string, string>, bars: Map<Digest, Bar>, frame: string, stderr: Channel): string[] {
  const spinners = [...tasks.values()].map(
    (message) => `${stderr.style.cyan(frame)} ${fit(message, stderr.width - 2)}`,
  );
  return [...spinners, ...[...bars.values()].map((bar) => barLine(bar, stderr))];
}

/** `↑ 6f8160e3 ━━━━━━━━────  45%  12.3 MB / 27.1 MB  10.2 MB/s`, shortened for narrow terminals. */
function barLine(bar: Bar, { style, width }: Channel): string {
  const share = bar.total === 0 ? 1 : Math.min(1, bar.done / bar.total);
  const filled = Math.round(share * BAR_WIDTH);
  const seconds = Math.max(0.001, (performance.now() - bar.since) / 1000);
  const head = `${bar.direction === "upload" ? "↑" : "↓"} ${shortDigest(bar.digest)}`;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const sizes = `${formatSize(bar.done)} / ${formatSize(bar.total)}`;
  const speed = `${formatSize(Math.round(bar.done / seconds))}/s`;
  const graph = style.cyan("━".repeat(filled)) + style.dim("─".repeat(BAR_WIDTH - filled));
  if (width < 60) return `${head} ${percent}  ${sizes}`;
  return `${head} ${graph} ${percent}  ${sizes}  ${speed}`;
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
