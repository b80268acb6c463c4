import { describe, expect, it } from "vitest";
import { parseConfigSchema } from "../../../src/domain/config-schema.ts";
import { configViolations, requireFittingConfig } from "../../../src/images/config-violations.ts";

const violations = (schema: unknown, config: string | undefined) =>
  configViolations(parseConfigSchema(JSON.stringify(schema), "s"), config);

const RULES = {
  type: "object",
  additionalProperties: false,
  required: ["rules"],
  properties: {
    rules: { type: "array", minItems: 1, items: { $ref: "#/$defs/rule" } },
    "a/b": { type: "integer" },
  },
  $defs: { rule: { type: "object", required: ["prefix"], properties: { prefix: { type: "string" } } } },
};

describe("a plugin configuration", () => {
  it.for([
    ['{"rules":[{"prefix":"/a"}]}', []],
    ["", ['the configuration lacks "rules"']],
    ['{"rules":[]}', ["rules: array has too few items (0 < 1)"]],
    ['{"rules":[{"prefix":1}]}', ["rules[0].prefix is of type number, expected string"]],
    ['{"rules":[{}, {"prefix":"/"}]}', ['rules[0] lacks "prefix"']],
    ['{"rules":[{"prefix":"/"}],"x":1}', ["x is not known"]],
    ['{"rules":[{"prefix":"/"}],"a/b":"1"}', ["a/b is of type string, expected integer"]],
    ["rules", ["the configuration is of type string, expected object"]],
    ['{"rules":', ["the configuration is of type string, expected object"]],
  ] as const)("%s against rules: %j", async ([config, expected]) => {
    expect(await violations(RULES, config)).toEqual(expected);
  });

  it("fits as text where a string is wanted, also when it looks like JSON", async () => {
    for (const config of [undefined, "", "Jo", "42", '{"a":1}', "[", "null"]) {
      expect(await violations({ type: "string" }, config), config).toEqual([]);
    }
    expect(await violations({ type: "string", minLength: 1 }, undefined)).toHaveLength(1);
  });

  it("counts as an empty object when there is none and everything is optional", async () => {
    expect(await violations({ type: "object", properties: { a: { type: "string" } } }, undefined)).toEqual([]);
  });

  it("is held against names that every object has, too", async () => {
    const names = ["toString", "__proto__", 'a\n"b"'];
    const schema = { type: "object", required: names, additionalProperties: false };
    expect(await violations(schema, "{}")).toEqual([
      'the configuration lacks "toString"',
      'the configuration lacks "__proto__"',
      String.raw`the configuration lacks "a\n\"b\""`,
    ]);
    expect(await violations({ type: "object", additionalProperties: false }, '{"__proto__":1}')).toEqual([
      "__proto__ is not known",
    ]);
  });

  it("is told five violations at most, each once", async () => {
    const many = JSON.stringify(Object.fromEntries(Array.from({ length: 20 }, (_each, at) => [`k${at}`, 1])));
    expect(await violations({ ...RULES, required: [] }, many)).toHaveLength(5);
  });

  it("is not judged by a schema that takes for ever", async () => {
    const slow = { type: "object", properties: { a: { pattern: "^(a+)+$" } } };
    expect(await violations(slow, JSON.stringify({ a: `${"a".repeat(40)}!` }))).toBeUndefined();
  });

  it.for([
    [{ $ref: "#" }],
    [{ allOf: [{ $ref: "#" }] }],
    [{ $ref: "#/nowhere" }],
    [{ dependentRequired: { a: 5 } }],
  ] as const)("is not judged by a schema that cannot be applied: %j", async ([schema]) => {
    expect(await violations(schema, '{"a":{}}')).toBeUndefined();
  });

  it("is told in lines that can be read, whatever a schema lists", async () => {
    const [told = ""] = (await violations({ enum: ["x\n".repeat(5000), "\u001b[31m"] }, "{}")) ?? [];
    expect(told.length).toBeLessThanOrEqual(200);
    expect(told).not.toContain("\n");
  });

  it("that does not fit is one error, with what is wrong", async () => {
    const schema = parseConfigSchema(JSON.stringify(RULES), "s");
    await expect(requireFittingConfig(schema, '{"rules":[{"prefix":1}],"x":0}', "hello:v1")).rejects.toMatchObject({
      kind: "usage",
      code: "CONFIG_UNFIT",
      message:
        "hello:v1 does not take this configuration: rules[0].prefix is of type number, expected string; x is not known",
    });
    await expect(requireFittingConfig(schema, undefined, "hello:v1")).rejects.toMatchObject({
      message: 'hello:v1 needs a configuration: the configuration lacks "rules"',
    });
    await requireFittingConfig(undefined, "anything", "hello:v1");
  });
});
