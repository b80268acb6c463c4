import { describe, expect, it } from "vitest";
import { parseDigest } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { createJsonLog, type Log, type LogLevel, logEvents } from "../../../src/platform/json-log.ts";

function bench(level?: LogLevel): { readonly log: Log; readonly lines: string[]; readonly last: () => unknown } {
  const lines: string[] = [];
  const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
  const write = (line: string): void => void lines.push(line);
  const log = createJsonLog({ write, clock, fields: { node: "n1" }, ...(level === undefined ? {} : { level }) });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "null") as unknown };
}

describe("the JSON log", () => {
  it("writes one line an entry: time, level, msg, then fields", () => {
    const { log, lines } = bench();
    log.with({ controller: "thing" }).info("done", { key: "a/b", n: 3 });
    expect(lines).toEqual([
      '{"time":"2026-01-02T03:04:05.006Z","level":"info","msg":"done","node":"n1","controller":"thing","key":"a/b","n":3}\n',
    ]);
  });

  it("does not let fields forge what an entry is", () => {
    const { log, last } = bench();
    log.warn("real", { time: "never", level: "info", msg: "forged\n{}" });
    expect(last()).toMatchObject({ time: "2026-01-02T03:04:05.006Z", level: "warn", msg: "real" });
  });

  it("tells from its level on", () => {
    const { log, lines } = bench("warn");
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["c", "d"]);
    const usual = bench();
    usual.log.debug("a");
    expect(usual.lines).toEqual([]);
  });

  it("spells errors out, and gives the stack of bugs only", () => {
    const { log, last } = bench();
    const cause = new Error("refused");
    const error = new WasmeError("failed", "SOME_CODE", "it failed", { hint: "try again", details: { a: 1 }, cause });
    log.warn("x", { error });
    expect(last()).toMatchObject({
      error: { message: "it failed", code: "SOME_CODE", hint: "try again", details: { a: 1 }, cause: "refused" },
    });
    expect(JSON.stringify(last())).not.toContain("stack");
    log.error("x", { error: new TypeError("oops") });
    expect(last()).toMatchObject({
      error: { message: "oops", stack: expect.stringContaining("json-log.test") as string },
    });
  });

  it("takes secrets and control characters out, wherever they are", () => {
    const { log, lines } = bench();
    log.info("pull https://me:pass@host/x \u001b[2J", {
      deep: [{ header: "Bearer abcdef123456" }],
      auth: '{"auth":"c2VjcmV0"}',
    });
    for (const secret of ["pass", "abcdef123456", "c2VjcmV0", "\u001b", "u001b"]) {
      expect(lines.join("")).not.toContain(secret);
    }
    expect(lines).toHaveLength(1);
  });

  it("writes a line for anything: cycles, numbers JSON has not, getters that throw, texts without end", () => {
    const { log, lines, last } = bench();
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const trap = Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => {
        throw new Error("trap");
      },
    });
    const odd = {
      big: 10n,
      none: undefined,
      date: new Date(0),
      bad: new Date(Number.NaN),
      set: new Set([1]),
      nan: Number.NaN,
    };
    log.info("cycle", { cycle });
    log.info("odd", odd);
    expect(last()).toMatchObject({ big: "10", date: "1970-01-01T00:00:00.000Z", bad: "no date", set: [1], nan: null });
    log.info("long", { text: "x".repeat(100_000) });
    expect(lines.at(-1)?.length).toBeLessThan(5000);
    log.info("trap", { trap });
    expect(last()).toMatchObject({ msg: "trap", lost: "trap" });
    expect(lines).toHaveLength(4);
  });

  it("takes the events of use cases, and leaves out what only draws", () => {
    const { log, lines } = bench("debug");
    const sink = logEvents(log);
    const digest = parseDigest(`sha256:${"0".repeat(64)}`);
    sink({ type: "milestone", message: "one" });
    sink({ type: "warning", message: "two", hint: "do it" });
    sink({ type: "blob.progress", digest, direction: "download", done: 1, total: 2 });
    sink({ type: "task.start", id: "1", message: "three" });
    sink({ type: "blob.done", digest, direction: "download", size: 2 });
    const told = lines.map((line) => JSON.parse(line) as { level: string; msg: string; hint?: string });
    expect(told.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      "info one",
      "warn two",
      `debug download of ${digest} done`,
    ]);
    expect(told[1]?.hint).toBe("do it");
  });
});
