import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseTestFile } from "../../../../src/sandbox/test/parse-test-file.ts";

const reference = readFileSync(new URL("../../../../docs/reference/test-files.md", import.meta.url), "utf8");
const examples = [...reference.matchAll(/^```yaml\n([\s\S]*?)^```$/gmu)].map(([, text = ""]) => text);

test("the reference has an example of every key a test can have", async () => {
  expect(examples.length).toBeGreaterThan(12);
  const { properties, $defs } = JSON.parse(
    readFileSync(new URL("../../../../docs/reference/test-file.schema.json", import.meta.url), "utf8"),
  ) as { properties: object; $defs: Record<string, { properties?: object }> };
  const names = [properties, ...Object.values($defs).map((shape) => shape.properties ?? {})].flatMap((shape) =>
    Object.keys(shape),
  );
  const untold = [...new Set(names)].filter((name) => !reference.includes(name));
  expect(untold).toEqual([]);
});

test.for(examples)("the example is a test file, or what a test holds: %s", async (example) => {
  const whole = /^tests:/mu.test(example)
    ? example
    : `tests:\n  - name: example\n${example.replaceAll(/^/gmu, "    ")}`;
  expect((await parseTestFile(whole, "example")).file.tests.length).toBeGreaterThan(0);
});
