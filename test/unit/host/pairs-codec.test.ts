import { describe, expect, it } from "vitest";
import { decodePairs, encodePairs, pairsSize } from "../../../src/host/pairs-codec.ts";

const FLAT = [":path", "/", "x-empty", "", "x", "\u00c3\u00a4"];

describe("pairs", () => {
  it("come back as they went", () => {
    const bytes = encodePairs(FLAT);
    expect(bytes).toHaveLength(pairsSize(FLAT));
    expect(decodePairs(bytes)).toEqual({ flat: FLAT, problem: undefined });
  });

  it("are laid out as the ABI says", () => {
    expect([...encodePairs(["a", "bc"])]).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 97, 0, 98, 99, 0]);
    expect([...encodePairs([])]).toEqual([0, 0, 0, 0]);
  });

  it("are none without bytes, and without a complaint", () => {
    expect(decodePairs(new Uint8Array(0))).toEqual({ flat: [], problem: undefined });
    expect(decodePairs(new Uint8Array(4))).toEqual({ flat: [], problem: undefined });
  });

  it.each(Array.from({ length: encodePairs(FLAT).length - 1 }, (_unused, at) => at + 1))(
    "are none when cut to %d bytes",
    (length) => {
      const { flat, problem } = decodePairs(encodePairs(FLAT).subarray(0, length));
      expect(flat).toEqual([]);
      expect(problem).toMatch(/^they end within/u);
    },
  );

  it("are none with a byte too many, without a NUL, or with too much", () => {
    expect(decodePairs(Uint8Array.of(...encodePairs(FLAT), 0))).toEqual({
      flat: [],
      problem: "1 bytes follow the last pair",
    });
    const noNul = encodePairs(["a", "b"]);
    noNul[13] = 1;
    expect(decodePairs(noNul).problem).toBe("a name or value is not followed by a NUL");
    const huge = encodePairs(["a", "b"]);
    huge.fill(0xff, 4, 8);
    expect(decodePairs(huge).problem).toBe("they end within the text");
    const many = Array.from({ length: 1025 }, () => ["a", "b"]).flat();
    expect(decodePairs(encodePairs(many.slice(2))).flat).toHaveLength(2048);
    expect(decodePairs(encodePairs(many))).toMatchObject({ flat: [], problem: expect.stringContaining("1025") });
    const most = encodePairs(["a", "b".repeat(1024 * 1024 - 15)]);
    expect(most).toHaveLength(1024 * 1024);
    expect(decodePairs(most).problem).toBeUndefined();
    expect(decodePairs(encodePairs(["a", "b".repeat(1024 * 1024 - 14)])).problem).toContain("1048577 bytes");
  });
});
