import { describe, expect, it } from "vitest";
import { MAX_CONFIG_SCHEMA, parseConfigSchema } from "../../../src/domain/config-schema.ts";

const read = (schema: unknown) => parseConfigSchema(JSON.stringify(schema, undefined, 2), "config.schema.json");

describe("a configuration's schema", () => {
  it("is kept as compact JSON", () => {
    expect(read({ type: "object", $defs: { a: true }, properties: { x: { $ref: "#/$defs/a" } } }).text).toBe(
      '{"type":"object","$defs":{"a":true},"properties":{"x":{"$ref":"#/$defs/a"}}}',
    );
  });

  it("may hold 64 KiB as compact JSON and no byte more", () => {
    const fill = (bytes: number) => ({ title: "é".repeat(10).padEnd(bytes - '{"title":""}'.length - 10, "x") });
    expect(Buffer.byteLength(read(fill(MAX_CONFIG_SCHEMA)).text)).toBe(65_536);
    expect(() => read(fill(MAX_CONFIG_SCHEMA + 1))).toThrow("it has 65537 bytes");
  });

  it.for([
    ["[]", "it is not a JSON object"],
    ["{", "it is not a JSON object"],
    ['{"$ref":"https://example.com/a.json"}', "/$ref refers to another document"],
    ['{"properties":{"a":{"items":{"$ref":"other.json#/a"}}}}', "/properties/a/items/$ref refers to another document"],
    ['{"type":"strng"}', '/type is no type: "strng"'],
    ['{"anyOf":[{"type":["string","nil"]}]}', '/anyOf/0/type is no type: ["string","nil"]'],
    ['{"properties":{"a":{"pattern":"("}}}', '/properties/a/pattern is no regular expression: "("'],
    ['{"patternProperties":{"[":{}}}', '/patternProperties is no regular expression: "["'],
    ['{"properties":{"a":"string"}}', "/properties/a is neither an object nor true or false"],
    ['{"allOf":{}}', "/allOf is not a list of schemas"],
    ['{"required":5}', "/required is no list of names: 5"],
    ['{"properties":{"a":{"required":["x",1]}}}', '/properties/a/required is no list of names: ["x",1]'],
    ['{"enum":"x"}', '/enum is no list: "x"'],
    ['{"$id":"http://[bad"}', '/$id is no URI: "http://[bad"'],
    ['{"$defs":[]}', "/$defs is not an object of schemas"],
  ] as const)("is refused as %s: %s", ([text, why]) => {
    const message = `config.schema.json is no schema of a plugin configuration: ${why}`;
    const refused = (): unknown => parseConfigSchema(text, "config.schema.json");
    expect(refused).toThrow(expect.objectContaining({ kind: "usage", code: "CONFIG_SCHEMA_INVALID", message }));
  });

  it("may have keywords of its own, whatever they are called", () => {
    const text = '{"constructor":1,"toString":{},"__proto__":[],"properties":{"hasOwnProperty":{"valueOf":2}}}';
    expect(parseConfigSchema(text, "s").text).toBe(text);
  });

  it("is refused when it nests without end", () => {
    for (const open of ["[", '{"not":']) {
      expect(() => parseConfigSchema(open.repeat(100_000), "deep")).toThrow("it is not a JSON object");
    }
  });
});
