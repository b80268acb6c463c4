import { describe, expect, it } from "vitest";
import type { BodySource } from "../../../src/domain/content.ts";
import { PieceReader } from "../../../src/registry/piece-reader.ts";
import { readAll } from "../../support/fault-image.ts";

const text = "abcdefghijklmnopqrstuvwxyz";

interface Watched extends BodySource {
  /** Where it was opened. */
  readonly opened: readonly number[];
  readonly closed: () => number;
}

/** The alphabet in chunks of `step`, and then what `end` does. */
function source(step: number, end?: () => Uint8Array): Watched {
  const opened: number[] = [];
  let closed = 0;
  return {
    size: text.length,
    opened,
    closed: () => closed,
    async *open(start = 0) {
      opened.push(start);
      try {
        for (let at = start; at < text.length; at += step) yield Buffer.from(text.slice(at, at + step));
        if (end !== undefined) yield end();
      } finally {
        closed += 1;
      }
    },
  };
}

async function read(piece: BodySource): Promise<string> {
  return Buffer.from(await readAll(piece.open())).toString();
}

describe("PieceReader", () => {
  it.each([1, 4, 5, 7, 100])("cuts pieces of five from chunks of %i, opening the body once", async (step) => {
    const body = source(step);
    const reader = new PieceReader(body);
    const pieces = [];
    for (let at = 0; at < text.length; at += 5)
      pieces.push(await read(reader.piece(at, Math.min(5, text.length - at))));
    expect(pieces).toEqual(["abcde", "fghij", "klmno", "pqrst", "uvwxy", "z"]);
    expect(body.opened).toEqual([0]);
    expect(body.closed()).toBe(1);
  });

  it("opens the body anew for a piece that is sent again, and for one elsewhere", async () => {
    const body = source(4);
    const reader = new PieceReader(body);
    const piece = reader.piece(0, 5);
    expect([await read(piece), await read(piece)]).toEqual(["abcde", "abcde"]);
    expect(await read(reader.piece(10, 3))).toBe("klm");
    expect(body.opened).toEqual([0, 0, 10]);
  });

  it("goes on behind a piece that was left half read", async () => {
    const reader = new PieceReader(source(4));
    for await (const chunk of reader.piece(0, 10).open()) {
      expect(Buffer.from(chunk).toString()).toBe("abcd");
      break;
    }
    expect(await read(reader.piece(4, 4))).toBe("efgh");
    expect(await read(reader.piece(6, 4))).toBe("ghij");
  });

  it("gives a piece whole while an older reading of it, given up, waits for its chunk still", async () => {
    const body = source(100);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let opened = 0;
    const reader = new PieceReader({
      size: body.size,
      async *open(start = 0) {
        opened += 1;
        if (opened === 1) await held;
        yield* body.open(start);
      },
    });
    const piece = reader.piece(0, 5);
    const given = piece.open()[Symbol.asyncIterator]();
    const late = given.next();
    const again = [read(piece), read(piece)];
    release();
    expect(await late).toEqual({ done: true, value: undefined });
    expect(await Promise.all(again)).toEqual(["", "abcde"]);
    expect(await read(reader.piece(5, 5))).toBe("fghij");
    expect(body.closed()).toBe(body.opened.length - 1);
  });

  it("reads the last piece to the end of the body, so that its check is heard", async () => {
    const damaged = source(4, () => {
      throw new Error("damaged");
    });
    const reader = new PieceReader(damaged);
    expect(await read(reader.piece(0, 20))).toBe(text.slice(0, 20));
    await expect(read(reader.piece(20, 6))).rejects.toThrow("damaged");
  });

  it("passes on what is too much, for the transport to refuse", async () => {
    const reader = new PieceReader(source(4, () => Buffer.from("!")));
    expect(await read(reader.piece(20, 6))).toBe("uvwxyz!");
  });

  it("closes the body when reading is over", async () => {
    const body = source(4);
    const reader = new PieceReader(body);
    await read(reader.piece(0, 5));
    expect(body.closed()).toBe(0);
    await reader.close();
    expect(body.closed()).toBe(1);
  });
});
