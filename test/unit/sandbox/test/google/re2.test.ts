import { describe, expect, it } from "vitest";
import { re2FullMatch } from "../../../../../src/sandbox/test/google/re2.ts";

describe("RE2 by JavaScript", () => {
  it.each([
    ["abc", ["abc"], ["abcd", "xabc", "ABC"]],
    ["a|bc", ["a", "bc"], ["ac", "abc"]],
    [".*request headers.*", ["the request headers came"], ["request\nheaders", "x\nrequest headers"]],
    ["a.c", ["abc", "a\rc", "a\u2028c", "a😀c"], ["a\nc"]],
    ["(?s).*b", ["a\nb"], ["a\nc"]],
    ["(?s:.)(?-s:.)x", ["\nax"], ["\n\nx"]],
    ["(?i)he(?-i:LLo)", ["HELLo", "heLLo"], ["hello"]],
    ["(?i)[a-c]x[^d]", ["BX1", "cxe"], ["BXD", "dxe"]],
    ["(a(?i)b|c)d", ["aBd", "Cd"], ["aBD", "Abd"]],
    ["(?i:ä)[[:^alpha:]]", ["Ä1", "ä-"], ["äa"]],
    ["a^b|(?m)a\n^b$", ["a\nb"], ["ab"]],
    ["(?P<year>\\d{4})-(?<month>[0-9]{2})", ["2024-01"], ["2024-1", "२०२४-01"]],
    ["\\Qa.b*\\E+x", ["a.b*+x".replace("+", ""), "a.b**x"], ["a.bb"]],
    ["\\Aab\\z", ["ab"], ["ab\n"]],
    ["[]a]+[^]b]", ["]ac", "aax"], ["a]", "ab"]],
    ["[[:digit:][:upper:]_]+", ["A1_"], ["a"]],
    ["[a\\-z\\]\\[]+", ["a-z]["], ["b"]],
    ["[\\w.-]+@[^\\s]+", ["a.b-c@d"], ["a @d", "a@ d"]],
    ["\\s", [" ", "\t"], ["\v", "\u00a0"]],
    ["\\pL\\p{Greek}\\P{Lu}\\p{^Nd}", ["aαbx"], ["1αbx", "aabx", "aαBx", "aαb3"]],
    ["\\x41\\x{1F600}\\101\\t", ["A😀A\t"], ["a"]],
    ["a{2,3}b{,2}", ["aab{,2}", "aaab{,2}"], ["ab", "aab"]],
    ['x}]/"-', ['x}]/"-'], []],
    ["(a*?)(a+)|(?U)b+c*", ["aaa", "bbc"], [""]],
    ["", [""], ["a"]],
    ["\\bword\\b", ["word"], ["words"]],
    ["Authorization: .*Signature=[a-f0-9]{4}", ["Authorization: X Signature=09af"], ["Authorization: Signature=09AF"]],
  ])("%s", (pattern, matching, others) => {
    const regex = re2FullMatch(pattern);
    for (const text of matching) expect(regex.test(text), `${pattern} should match ${text}`).toBe(true);
    for (const text of others) expect(regex.test(text), `${pattern} should not match ${text}`).toBe(false);
  });

  it.each([
    ["[asd", "missing ]: [asd"],
    ["(a", "missing ): (a"],
    ["a)", "unexpected ): a)"],
    ["*a", "no argument for repetition operator: *"],
    ["a**", "bad repetition operator: **"],
    ["a++", "bad repetition operator: ++"],
    ["a{1001}", "bad repetition operator: {1001}"],
    ["(?=a)", "invalid perl operator: (?=a"],
    ["(?<!a)b", "invalid perl operator: (?<!"],
    ["(a)\\1", "invalid escape sequence: \\1"],
    ["\\Z", "invalid escape sequence: \\Z"],
    ["\\", "trailing \\"],
    ["[z-a]", "invalid character class range: z-a"],
    ["[[:nope:]]", "invalid character class range: [:nope:]"],
    ["\\p{Nope}", "invalid character class range: \\p{Nope}"],
    ["\\C", "\\C, a single byte, cannot be matched here"],
  ])("refuses %s as RE2 does", (pattern, words) => {
    expect(() => re2FullMatch(pattern)).toThrow(words);
  });
});
