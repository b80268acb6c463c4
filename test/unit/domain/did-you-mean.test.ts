import { expect, it } from "vitest";
import { didYouMean } from "../../../src/domain/did-you-mean.ts";

const commands = ["push", "pull", "list", "inspect", "deploy"];

it.each([
  ["pusk", "push"],
  ["psuh", "push"],
  ["PUSH", "push"],
  ["inspct", "inspect"],
  ["deplyo", "deploy"],
])("%s is probably %s", (word, meant) => {
  expect(didYouMean(word, commands)).toBe(meant);
});

it.each(["", "x", "kubectl", "pppp"])("guesses nothing for %j", (word) => {
  expect(didYouMean(word, commands)).toBeUndefined();
});
