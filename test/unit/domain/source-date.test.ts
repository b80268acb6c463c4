import { describe, expect, it } from "vitest";
import { formatSourceDate, parseSourceDate } from "../../../src/domain/source-date.ts";

describe("SOURCE_DATE_EPOCH", () => {
  it.each([
    ["0", "1970-01-01T00:00:00Z"],
    ["1700000000", "2023-11-14T22:13:20Z"],
    ["8589934591", "2242-03-16T12:56:31Z"],
  ])("%s is %s", (text, shown) => {
    const time = parseSourceDate(text);
    expect(time && formatSourceDate(time)).toBe(shown);
  });

  it.each([undefined, ""])("%j is no time", (text) => {
    expect(parseSourceDate(text)).toBeUndefined();
  });

  it.each(["abc", "1.5", "-1", "1e9", " 1", "8589934592", "99999999999", "9".repeat(400), "2026-01-01"])(
    "%j is refused",
    (text) => {
      expect(() => parseSourceDate(text)).toThrow(
        expect.objectContaining({ code: "SOURCE_DATE_INVALID", kind: "usage" }),
      );
    },
  );
});
