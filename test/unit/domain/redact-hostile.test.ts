import { describe, expect, it } from "vitest";
import { redact } from "../../../src/domain/redact.ts";

describe("redact, given what a hostile server sends", () => {
  it.each([
    ["https://user:p@ss:w@rd@host/x", "https://***@host/x"],
    ["see <https://user:secret@host/x>, <https://host/y@z>", "see <https://***@host/x>, <https://host/y@z>"],
    ["proxy http://u:p@10.0.0.1:3128 failed", "proxy http://***@10.0.0.1:3128 failed"],
  ])("%s", (text, shown) => {
    expect(redact(text)).toBe(shown);
  });

  // Where the time grew with the square of the length, each of these would take many minutes.
  it.each(["a.", "x.y-z+", "a://", "basic ", 'a="', "?token=", '"auth":"\\', "://", "a@"])(
    "takes a long line of %s in its stride",
    (piece) => {
      expect(redact(piece.repeat(400_000)).length).toBeGreaterThan(0);
    },
  );
});
