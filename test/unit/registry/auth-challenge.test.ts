import { describe, expect, it } from "vitest";
import { parseChallenges } from "../../../src/registry/auth-challenge.ts";

describe("parseChallenges", () => {
  it.each([
    ["nothing", undefined, []],
    ["an empty value", "", []],
    ["a scheme alone", "Negotiate", [{ scheme: "negotiate", params: {} }]],
    ["quoted values", 'Basic realm="a b"', [{ scheme: "basic", params: { realm: "a b" } }]],
    [
      "unquoted values",
      "BEARER realm=https://a/t,service=s",
      [{ scheme: "bearer", params: { realm: "https://a/t", service: "s" } }],
    ],
    ["names in any case", 'Basic ReAlM="x"', [{ scheme: "basic", params: { realm: "x" } }]],
    [
      "commas in quotes",
      'Bearer scope="repository:a:pull,push",service="s"',
      [{ scheme: "bearer", params: { scope: "repository:a:pull,push", service: "s" } }],
    ],
    ["escaped quotes", String.raw`Basic realm="a \"b\""`, [{ scheme: "basic", params: { realm: 'a "b"' } }]],
    [
      "blanks around",
      ' Basic  realm = "x" , charset = "UTF-8" ',
      [{ scheme: "basic", params: { realm: "x", charset: "UTF-8" } }],
    ],
    [
      "several schemes",
      'Negotiate, Basic realm="b", Bearer realm="https://a/t"',
      [
        { scheme: "negotiate", params: {} },
        { scheme: "basic", params: { realm: "b" } },
        { scheme: "bearer", params: { realm: "https://a/t" } },
      ],
    ],
    [
      "a token68 before another scheme",
      'Negotiate YII+/w==, Basic realm="b"',
      [
        { scheme: "negotiate", params: {} },
        { scheme: "basic", params: { realm: "b" } },
      ],
    ],
    ["the first of two equal names", 'Basic realm="a", realm="b"', [{ scheme: "basic", params: { realm: "a" } }]],
    ["up to what cannot be parsed", 'Basic realm="a", "?', [{ scheme: "basic", params: { realm: "a" } }]],
    [
      "a quote that does not end",
      'Basic realm="a',
      [
        { scheme: "basic", params: {} },
        { scheme: "realm", params: {} },
      ],
    ],
  ])("reads %s", (_name, header, challenges) => {
    expect(parseChallenges(header)).toEqual(challenges);
  });

  it("takes no time for hostile input", () => {
    expect(parseChallenges(`Basic ${"a=".repeat(20_000)}`).length).toBeLessThan(5);
    expect(parseChallenges("Basic ".repeat(5000)).length).toBeGreaterThan(0);
  });
});
