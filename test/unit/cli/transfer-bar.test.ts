import { describe, expect, it } from "vitest";
import {
  type Transfer,
  trackTransfer,
  transferLine,
  transferRate,
} from "../../../src/cli/render/events/transfer-bar.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { type Channel, createStyle } from "../../../src/platform/terminal.ts";

const digest = digestOf("x");
const MB = 1_000_000;

function channel(width: number): Channel {
  return { write: () => undefined, isTerminal: true, width, style: createStyle(false) };
}

/** A transfer of 100 MB that stood at `done` MB at each second. */
function transfer(...done: readonly number[]): Transfer {
  let known: Transfer | undefined;
  for (const [second, at] of done.entries()) {
    const event = { type: "blob.progress", digest, direction: "upload", done: at * MB, total: 100 * MB } as const;
    known = trackTransfer(known, event, second * 1000);
  }
  if (known === undefined) throw new Error("no progress");
  return known;
}

describe("a transfer's line", () => {
  it("tells share, sizes, rate and the time left", () => {
    expect(transferLine(transfer(0, 10, 20), channel(120), 2000)).toBe(
      `↑ ${digest.slice(7, 15)} ━━━━━───────────────────  20%  20.0 MB / 100.0 MB  10.0 MB/s  8s left`,
    );
  });

  it("says no rate before there is one, and no time left at the end", () => {
    expect(transferLine(transfer(5), channel(120), 0)).toMatch(/5\.0 MB \/ 100\.0 MB$/u);
    expect(transferLine(transfer(0, 100), channel(120), 1000)).toMatch(/100%.* 100\.0 MB\/s$/u);
  });

  it("never is wider than the terminal", () => {
    for (let width = 1; width < 130; width += 1) {
      expect(transferLine(transfer(0, 1), channel(width), 1000).length).toBeLessThan(width);
    }
    expect(transferLine(transfer(0, 1), channel(80), 1000)).toMatch(/─{9,}.*1\.0 MB\/s {2}1m39s left$/u);
    expect(transferLine(transfer(0, 1), channel(40), 1000)).toMatch(/^↑ \w{8} {3}1% {2}1\.0 MB \/ 100\.0 MB$/u);
  });
});

describe("the rate", () => {
  it("is that of the last four seconds", () => {
    expect(transferRate(transfer(0, 50, 51, 52, 53, 54, 55), 6000)).toBe(MB);
  });

  it("falls while nothing comes", () => {
    const silent = transfer(0, 10);
    expect(transferRate(silent, 1000)).toBe(10 * MB);
    expect(transferRate(silent, 10_000)).toBe(MB);
  });
});
