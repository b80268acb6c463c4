import { describe, expect, it } from "vitest";
import { splitArguments } from "../../../src/sandbox/split-arguments.ts";

describe("splitArguments", () => {
  it.each([
    ["", []],
    ["  ", []],
    ["-l debug", ["-l", "debug"]],
    ["  --a\t--b\n--c  ", ["--a", "--b", "--c"]],
    [`-e 'NAME=two words'`, ["-e", "NAME=two words"]],
    [`--x="a 'b' \\" \\n"`, [`--x=a 'b' " \\n`]],
    [String.raw`one\ word \'`, ["one word", "'"]],
    [`'' ""`, ["", ""]],
    [`a'b'"c"d`, ["abcd"]],
    [`'$HOME' $(rm) *`, ["$HOME", "$(rm)", "*"]],
  ])("%j", (line, words) => {
    expect(splitArguments(line, "--x")).toEqual(words);
  });

  it.each(["'open", '"open', '"open\\"', "end\\"])("refuses %j", (line) => {
    const failure = { code: "ARGUMENTS_INVALID", kind: "usage", message: expect.stringContaining("--envoy-run-args") };
    expect(() => splitArguments(line, "--envoy-run-args")).toThrow(expect.objectContaining(failure));
  });
});
