import { describe, expect, it } from "vitest";
import { parseByteSize } from "../../../src/domain/byte-size.ts";

describe("parseByteSize", () => {
  it.each([
    ["0", 0],
    ["65536", 65_536],
    ["512B", 512],
    ["1kB", 1000],
    ["5MB", 5_000_000],
    ["2gb", 2_000_000_000],
    ["64KiB", 65_536],
    ["8MiB", 8_388_608],
    ["8 mib", 8_388_608],
    [" 1.5KiB ", 1536],
    ["1GiB", 1_073_741_824],
  ])("reads %j", (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each(["", "MiB", "8M", "8iB", "-1", "1e3", "1.MiB", "8MiB2", "0x10", "9007199254740993", "99999999999GiB", "١"])(
    "does not take %j",
    (text) => {
      expect(parseByteSize(text)).toBeUndefined();
    },
  );
});
