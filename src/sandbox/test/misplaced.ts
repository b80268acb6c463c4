import type { Expectation } from "./model-expect.ts";
import type { TestCase, TestFile } from "./model.ts";
import type { Mistake, Place } from "./shape.ts";

/** What only an exchange can be held against. */
const OF_AN_EXCHANGE = ["response", "upstream", "paused", "properties", "filterState"] as const;
const PARTS = ["steps", "streams", "phases", "connection"] as const;

/** Expectations that nothing would ever be held against: they would hold whatever the filter does. */
export function misplaced({ tests }: TestFile): readonly Mistake[] {
  return tests.flatMap((test, index) => [
    ...ofTest(test, ["tests", index]),
    ...ofSteps(test, ["tests", index, "steps"]),
  ]);
}

function ofTest(test: TestCase, at: Place): readonly Mistake[] {
  if (test.request !== undefined) return [];
  const part = PARTS.find((name) => test[name] !== undefined);
  const where = part === undefined ? "has no request" : `has ${part}: what they answer is expected there`;
  return mistakes(test.expect, [...at, "expect"], `the test ${where}`);
}

function ofSteps({ steps = [] }: TestCase, at: Place): readonly Mistake[] {
  return steps.flatMap((step, index) =>
    step.request === undefined ? mistakes(step.expect, [...at, index, "expect"], "the step has no request") : [],
  );
}

function mistakes(expect: Expectation | undefined, at: Place, why: string): readonly Mistake[] {
  return OF_AN_EXCHANGE.filter((name) => expect?.[name] !== undefined).map((name) => ({
    at: [...at, name],
    ofKey: true,
    message: `nothing can be held against ${JSON.stringify(name)}: ${why}`,
  }));
}
