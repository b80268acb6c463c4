import { describe, expect, it } from "vitest";
import { parseTextproto } from "../../../../../src/sandbox/test/google/parse-textproto.ts";
import { printTextproto } from "../../../../../src/sandbox/test/google/print-textproto.ts";
import { TextProblem } from "../../../../../src/sandbox/test/google/textproto-lexer.ts";
import type { MessageSchema, TextMessage } from "../../../../../src/sandbox/test/google/textproto-schema.ts";

const inner: MessageSchema = { name: "Inner", fields: { key: { type: "string" }, value: { type: "bytes" } } };
const schema: MessageSchema = {
  name: "Outer",
  fields: {
    text: { type: "string" },
    raw: { type: "bytes" },
    flag: { type: "bool" },
    small: { type: "int32" },
    natural: { type: "uint32" },
    large: { type: "int64" },
    huge: { type: "uint64" },
    real: { type: "double" },
    level: { type: { values: { LOW: 0, HIGH: 7 } } },
    one: { type: { message: inner } },
    former_one: { type: { message: inner }, olderNameOf: "one" },
    many: { type: { message: inner }, repeated: true },
    words: { type: "string", repeated: true },
    this_way: { type: "int32", oneof: "way" },
    that_way: { type: "int32", oneof: "way" },
  },
};

function parse(text: string): TextMessage {
  return parseTextproto(text, schema).message;
}

function problem(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof TextProblem)) throw error;
    return `${error.place.line}:${error.place.column} ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  }
  throw new Error(`no problem with ${text}`);
}

describe("what the text format allows", () => {
  it("reads nothing, and comments everywhere", () => {
    expect(parse("")).toEqual({ many: [], words: [] });
    expect(parse("# a\n text # b\n : # c\n 'x' # \"d\"\n 'y'#e")).toMatchObject({ text: "xy" });
  });

  it.each([
    [String.raw`"\a\b\f\n\r\t\v\?\\\'\""`, "\x07\b\f\n\r\t\v?\\'\""],
    [String.raw`"\1\12\123\0011"`, "\x01\x0a\x53\x011"],
    [String.raw`"\x4\x41\xfFg"`, "\x04A\xffg"],
    [String.raw`'\u00e4\U0001F600'`, "\xc3\xa4\xf0\x9f\x98\x80"],
    [String.raw`"\uD83D\uDE00"`, "\xf0\x9f\x98\x80"],
    [`"ä€" '"' "'" ""`, `\xc3\xa4\xe2\x82\xac"'`],
    [`"a" # between\n 'b'\n"c"`, "abc"],
  ])("unescapes and joins %s", (literal, bytes) => {
    expect(parse(`raw: ${literal}`)["raw"]).toBe(bytes);
  });

  it("keeps text as text", () => {
    expect(parse(String.raw`text: "\303\244" "€"`)["text"]).toBe("ä€");
  });

  it.each([
    ["small: 0", { small: 0 }],
    ["small: -0x10", { small: -16 }],
    ["small: - # far\n 017", { small: -15 }],
    ["natural: 4294967295", { natural: 4_294_967_295 }],
    ["large: -9223372036854775808", { large: -(2n ** 63n) }],
    ["huge: 0XffffFFFFffffFFFF", { huge: 2n ** 64n - 1n }],
    ["real: 1.5e3f", { real: 1500 }],
    ["real: .5", { real: 0.5 }],
    ["real: 2.", { real: 2 }],
    ["real: -Infinity", { real: Number.NEGATIVE_INFINITY }],
    ["real: nan", { real: Number.NaN }],
    ["real: 0x10", { real: 16 }],
    ["real: 10F", { real: 10 }],
    ["flag: t", { flag: true }],
    ["flag: True", { flag: true }],
    ["flag: 0", { flag: false }],
    ["level: HIGH", { level: "HIGH" }],
    ["level: 7", { level: "HIGH" }],
  ])("reads %s", (text, message) => {
    expect(parse(text)).toMatchObject(message);
  });

  it("takes messages in braces and angle brackets, with and without a colon, and lists", () => {
    expect(parse('one { key: "a" }')["one"]).toEqual({ key: "a" });
    expect(parse("one: < value: 'b' >")["one"]).toEqual({ value: "b" });
    expect(parse("one {}")["one"]).toEqual({});
    expect(parse("many [ {key:'a'}, <> ] many: [] many {}")["many"]).toEqual([{ key: "a" }, {}, {}]);
    expect(parse("words: ['a' 'b', \"c\"] words: 'd' words: []")["words"]).toEqual(["ab", "c", "d"]);
  });

  it("takes separators after fields, and older names", () => {
    expect(parse("small: 1; flag: t, one {key: 'a', value: 'b';};")).toMatchObject({
      small: 1,
      flag: true,
      one: { key: "a", value: "b" },
    });
    expect(parse("former_one {}")["one"]).toEqual({});
  });
});

describe("what it does not allow is told with its place", () => {
  it.each([
    ["\n  smal: 1", '2:3 Outer has no field "smal" (did you mean "small"?)'],
    ["one { kye: 'a' }", '1:7 Inner has no field "kye" (did you mean "key"?)'],
    ["one { zzz: 'a' }", '1:7 Inner has no field "zzz" (its fields are key, value)'],
    ["small 1", '1:7 a colon belongs between "small" and its value'],
    ["words ['a']", '1:7 a colon belongs between "words" and its value'],
    ["small: 1 small: 2", '1:10 "small" is given twice in Outer'],
    ["one {} former_one {}", '1:8 "former_one" and "one" exclude each other in Outer'],
    ["this_way: 1 that_way: 2", '1:13 "that_way" and "this_way" exclude each other in Outer'],
    ["small: 2147483648", '1:8 "small" is a number from -2147483648 to 2147483647'],
    ["natural: -1", '1:10 "natural" is a number from 0 to 4294967295'],
    ["small: 1.0", '1:8 "small" is a whole number'],
    ["small: 08", '1:8 "small" is a whole number'],
    ["small: inf", '1:8 "small" is a whole number'],
    ["small: '1'", '1:8 "small" is a whole number'],
    ["flag: yes", '1:7 "flag" is true or false'],
    ["level: HIHG", '1:8 "level" is one of LOW, HIGH (did you mean HIGH?)'],
    ["level: 3", '1:8 "level" is one of LOW, HIGH'],
    ["text: bare", '1:7 "text" is a string: quotes are expected'],
    [String.raw`text: "\377"`, '1:7 "text" is no UTF-8'],
    ["text: 'a\n'", "1:7 this string has no end on its line (close it with ', or write \\n)"],
    [String.raw`raw: "ab\q"`, String.raw`1:9 there is no escape "\q"`],
    [String.raw`raw: "\400"`, String.raw`1:7 an octal escape is at most \377`],
    [String.raw`raw: "\ud800"`, "1:7 half of a surrogate pair is no character"],
    [String.raw`raw: "\U00110000"`, "1:7 there is no Unicode character beyond 10FFFF"],
    [String.raw`raw: "\u12"`, String.raw`1:7 \u takes four hex digits and \U eight`],
    ["one { key: 'a'", '1:15 Inner is not closed: "}" is missing'],
    ["one { >", '1:7 a field of Inner is expected here, not ">"'],
    ["one: 3", '1:6 "one" is a message: "{" is expected, not "3"'],
    ["one: [{}]", '1:6 "one" is a message: "{" is expected, not "["'],
    ["small: [1]", '1:8 "small" takes one value, not a list'],
    ["words: ['a',]", '1:13 "words" is a string: quotes are expected'],
    ["words: ['a' 3]", '1:13 "," or "]" is expected in the list "words", not "3"'],
    ["[foo.bar]: 1", "1:1 Outer takes no extensions and no Any"],
    ["one { [type.example/Inner] {} }", "1:7 Inner takes no extensions and no Any"],
    ["1: 2", '1:1 a field of Outer is expected here, not "1"'],
    ["small: 1;;", '1:10 a field of Outer is expected here, not ";"'],
    ["small: 12abc", '1:8 "1" has no meaning here'],
    ["small: @", '1:8 "@" has no meaning here'],
    ["}", '1:1 a field of Outer is expected here, not "}"'],
  ])("%s", (text, told) => {
    expect(problem(text)).toBe(told);
  });
});

it("prints what it read", () => {
  const text = String.raw`text: "ä\n\001" raw: "\303\"\\\n" "b" small: -3 huge: 18446744073709551615 real: -inf
    level: HIGH flag: false one {} many { key: "a" } many { value: "" } words: ["x", "y"]`;
  expect(printTextproto(parse(text), schema)).toMatchInlineSnapshot(`
    "text:
      "ä\\n"
      "\\001"
    raw:
      "\\303\\"\\\\\\n"
      "b"
    flag: false
    small: -3
    huge: 18446744073709551615
    real: -inf
    level: HIGH
    one {}
    many {
      key: "a"
    }
    many {
      value: ""
    }
    words: "x"
    words: "y"
    "
  `);
});
