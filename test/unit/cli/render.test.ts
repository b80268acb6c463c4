import { describe, expect, it } from "vitest";
import type { OutputStream } from "../../../src/platform/terminal.ts";
import { createTerminal, wantsColor } from "../../../src/platform/terminal.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { printError } from "../../../src/cli/print-error.ts";
import { createEventRenderer } from "../../../src/cli/render/events.ts";
import { printOutcome } from "../../../src/cli/render/outcome.ts";
import { formatSize } from "../../../src/cli/render/size.ts";
import { renderTable } from "../../../src/cli/render/table.ts";

class Sink implements OutputStream {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 80;
  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

const channels = (tty = false): { out: Sink; err: Sink; terminal: ReturnType<typeof createTerminal> } => {
  const [out, err] = [new Sink(tty), new Sink(tty)];
  return { out, err, terminal: createTerminal({ stdin: process.stdin, stdout: out, stderr: err }, {}) };
};

describe("renderTable", () => {
  const columns = [{ title: "NAME", minWidth: 12 }, { title: "SIZE" }];
  it("pads columns and trims line ends", () => {
    expect(
      renderTable(
        columns,
        [
          ["a", "1 B"],
          ["bbbbbb", "22.0 kB"],
        ],
        80,
      ),
    ).toBe("NAME    SIZE\na       1 B\nbbbbbb  22.0 kB");
  });
  it("cuts the middle of long names to fit a narrow terminal, and nothing when it is not a terminal", () => {
    const rows = [["registry.example.com/some/very/long/name", "1 B"]];
    const narrow = renderTable(columns, rows, 24);
    expect(Math.max(...narrow.split("\n").map((line) => line.length))).toBeLessThanOrEqual(24);
    expect(narrow).toMatch(/registry\.….*name/u);
    expect(renderTable(columns, rows, Number.POSITIVE_INFINITY)).toContain("registry.example.com/some/very/long/name");
  });
});

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [30_016, "30.0 kB"],
  [999_960, "1.0 MB"],
  [209_715_200, "209.7 MB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});

describe("colour", () => {
  it.each([
    [true, {}, undefined, true],
    [false, {}, undefined, false],
    [true, { NO_COLOR: "1" }, undefined, false],
    [true, { NO_COLOR: "" }, undefined, true],
    [false, { FORCE_COLOR: "1" }, undefined, true],
    [true, { FORCE_COLOR: "0" }, undefined, false],
    [true, { TERM: "dumb" }, undefined, false],
    [true, { NO_COLOR: "1", FORCE_COLOR: "1" }, undefined, true],
    [true, { FORCE_COLOR: "1" }, false, false],
  ])("terminal %s, env %j, flag %s: %s", (tty, env, flag, wanted) => {
    expect(wantsColor(tty, env, flag)).toBe(wanted);
  });
});

it.each([
  [120, true, 120],
  [0, true, 80],
  [undefined, true, 80],
  [120, false, Number.POSITIVE_INFINITY],
])("%s columns, terminal %s: a width of %d", (columns, isTTY, width) => {
  const stream: OutputStream = { write: () => undefined, columns, isTTY };
  const { stdout, stderr } = createTerminal({ stdin: process.stdin, stdout: stream, stderr: stream }, {});
  expect([stdout.width, stderr.width]).toEqual([width, width]);
});

const setting = (terminal: ReturnType<typeof channels>["terminal"], output: "text" | "json" = "text") => ({
  stderr: terminal.stderr,
  global: { output, verbose: false },
});

describe("printError", () => {
  const error = new WasmeError("unauthorised", "UNAUTHORISED", "ghcr.io refused to read x (401)", {
    hint: "wasme login ghcr.io",
    cause: new Error("https://u:p@ghcr.io said no"),
  });

  it("prints one sentence, causes and a hint, redacted, and gives the exit code", () => {
    const { err, terminal } = channels();
    expect(printError(error, setting(terminal))).toBe(4);
    expect(err.text).toBe(
      "Error: ghcr.io refused to read x (401)\n  https://***@ghcr.io said no\nHint: wasme login ghcr.io\n",
    );
  });

  it("is one JSON line under -o json", () => {
    const { err, terminal } = channels();
    expect(printError(error, setting(terminal, "json"))).toBe(4);
    expect(JSON.parse(err.text)).toEqual({ error: { code: "UNAUTHORISED", message: error.message, hint: error.hint } });
  });

  it("redacts inside JSON without breaking it", () => {
    const { err, terminal } = channels();
    const body = '{"password":"p\\"w","x":1}';
    const told = new WasmeError("failed", "X", `answered ${body}`, {
      details: { url: "https://u:p@h/x", list: [body] },
    });
    printError(told, setting(terminal, "json"));
    const { error: shown } = JSON.parse(err.text) as { error: { message: string; details: unknown } };
    expect(err.text).not.toMatch(/"p\b|u:p@/u);
    expect(shown.message).toContain('"password":"***"');
    expect(shown.details).toMatchObject({ url: "https://***@h/x" });
  });

  it("calls anything else a bug", () => {
    const { err, terminal } = channels();
    expect(printError(new TypeError("x is not a function"), setting(terminal))).toBe(70);
    expect(err.text).toMatch(/^Error: this is a bug in wasme: x is not a function\n {2}wasme \d+\.\d+\.\d+, Node v/u);
    expect(err.text).not.toMatch(/^ +at /mu);
  });

  it("lets no terminal sequence of a server through", () => {
    const { err, terminal } = channels(true);
    printError(new WasmeError("failed", "X", "evil \u001b[31mred\u001b[2J"), setting(terminal));
    expect(err.text).toContain("evil \\x1b[31mred\\x1b[2J");
  });
});

describe("events", () => {
  it("prints milestones as plain lines when not a terminal, debug only with --verbose", () => {
    const { err, terminal } = channels();
    const { sink } = createEventRenderer(terminal.stderr, { quiet: false, verbose: false, progress: true }, {});
    sink({ type: "milestone", message: "Pushing image x" });
    sink({ type: "debug", message: "secret detail" });
    sink({ type: "warning", message: "careful", hint: "do y" });
    expect(err.text).toBe("Pushing image x\nWarning: careful\nHint: do y\n");
  });

  it("is silent under --quiet", () => {
    const { err, terminal } = channels(true);
    const { sink, close } = createEventRenderer(terminal.stderr, { quiet: true, verbose: false, progress: true }, {});
    sink({ type: "milestone", message: "x" });
    close();
    expect(err.text).toBe("");
  });

  it("draws and wipes a live bar on a terminal", () => {
    const { err, terminal } = channels(true);
    const { sink, close } = createEventRenderer(terminal.stderr, { quiet: false, verbose: false, progress: true }, {});
    const digest = `sha256:${"a".repeat(64)}` as never;
    sink({ type: "blob.progress", digest, direction: "upload", done: 5, total: 10 });
    sink({ type: "milestone", message: "half way" });
    expect(err.text).toContain("half way\n");
    expect(err.text).toContain(" 50%");
    const before = err.text.length;
    close();
    expect(err.text.slice(before)).toBe("\u001b[1A\u001b[0J");
  });

  it("takes a bar away when its download is over", () => {
    const { err, terminal } = channels(true);
    const { sink, close } = createEventRenderer(terminal.stderr, { quiet: false, verbose: false, progress: true }, {});
    const digest = `sha256:${"a".repeat(64)}` as never;
    sink({ type: "blob.progress", digest, direction: "download", done: 5, total: 10 });
    sink({ type: "milestone", message: "half way" });
    sink({ type: "blob.end", digest });
    const before = err.text.length;
    sink({ type: "milestone", message: "waiting" });
    close();
    expect(err.text.slice(before)).toBe("waiting\n");
  });

  it("says nothing of a task that ends after the screen was wiped", () => {
    const { err, terminal } = channels(true);
    const { sink, close } = createEventRenderer(terminal.stderr, { quiet: false, verbose: false, progress: true }, {});
    sink({ type: "task.start", id: "save", message: "Saving 1 image" });
    close();
    const before = err.text.length;
    sink({ type: "task.end", id: "save", ok: false });
    expect(err.text.slice(before)).toBe("");
  });
});

describe("printOutcome", () => {
  const outcome = { json: { kind: "X", version: 1 }, text: () => "hello", names: ["sha256:1", "sha256:2"] };
  const print = async (output: "text" | "json" | "yaml" | "name", quiet = false, extra = {}): Promise<string> => {
    const { out, terminal } = channels();
    await printOutcome({ ...outcome, ...extra }, terminal.stdout, { output, quiet });
    return out.text;
  };
  it("prints text, JSON, YAML, names", async () => {
    expect(await print("text")).toBe("hello\n");
    expect(JSON.parse(await print("json"))).toEqual({ kind: "X", version: 1 });
    expect(await print("yaml")).toBe("kind: X\nversion: 1\n");
    expect(await print("name")).toBe("sha256:1\nsha256:2\n");
    expect(await print("text", true)).toBe("sha256:1\nsha256:2\n");
  });
  it("makes a v1 List of several Kubernetes objects, documents in YAML", async () => {
    const documents = [{ kind: "A" }, { kind: "B" }];
    expect(JSON.parse(await print("json", false, { documents }))).toEqual({
      apiVersion: "v1",
      kind: "List",
      items: documents,
    });
    expect(await print("yaml", false, { documents })).toBe("kind: A\n---\nkind: B\n");
  });
});
