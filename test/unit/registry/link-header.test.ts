import { describe, expect, it } from "vitest";
import { nextLink } from "../../../src/registry/link-header.ts";

describe("nextLink", () => {
  it.each([
    [undefined, undefined],
    ["", undefined],
    ['</a>; rel="next"', "/a"],
    ["</a>; rel=next", "/a"],
    ["<a?x=1,2;3>;REL = NEXT", "a?x=1,2;3"],
    ['</p>; rel="prev", </n>; rel="next"', "/n"],
    ['</p>; rel=prev; title="a, b; rel=next", </n>; title="<x>"; rel="next"', "/n"],
    ['</n>; rel="last next"; type=x', "/n"],
    ['</n>; rel="nextish"', undefined],
    ["</n>; rel=nextish", undefined],
    ['</n>; title="rel=next"', undefined],
    ['</n>; norel="next"', undefined],
    ["</n>", undefined],
    ['<>; rel="next"', ""],
    [['</p>; rel="prev"', '</n>; rel="next"'], "/n"],
    ['/v2/x/tags/list?n=2&last=b; rel="next"', "/v2/x/tags/list?n=2&last=b"],
    ['/v2/x; rel="prev"', undefined],
    ["<".repeat(50_000), undefined],
    [`</n>${"; a=b".repeat(20_000)}`, undefined],
  ])("%j: %j", (header, target) => {
    expect(nextLink(header)).toBe(target);
  });
});
