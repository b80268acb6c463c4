import { describe, expect, it } from "vitest";
import { chunkBody } from "../../../../../src/sandbox/test/google/chunk-body.ts";
import { GoogleHeaders } from "../../../../../src/sandbox/test/google/google-headers.ts";
import { type Http1Kind, readHttp1Headers } from "../../../../../src/sandbox/test/google/http1-headers.ts";
import { matchTexts } from "../../../../../src/sandbox/test/google/match-text.ts";
import type { GoogleMatcher, GoogleTest } from "../../../../../src/sandbox/test/google/runner-schema.ts";

const test: GoogleTest = { properties: [], requestBody: [], responseBody: [] };

describe("headers of the tester", () => {
  it("are sorted, joined and found in any case, and keep the first spelling", () => {
    const headers = new GoogleHeaders();
    for (const [name, value] of [
      ["b", "1"],
      ["A-name", ""],
      [":path", "/"],
      ["a-NAME", "x"],
      ["B", ""],
      ["C", "3"],
    ] as const)
      headers.add(name, value);
    expect([...headers]).toEqual([
      [":path", "/"],
      ["A-name", "x"],
      ["b", "1, "],
      ["C", "3"],
    ]);
    expect(headers.get("a-name")).toBe("x");
    expect(headers.values("c")).toEqual(["3"]);
    expect(headers.has("host")).toBe(false);
    expect([headers.size, headers.byteSize]).toEqual([4, 4]);
    headers.set("A-NAME", "y");
    expect(headers.remove("c")).toBe(1);
    expect(headers.remove("c")).toBe(0);
    expect([...headers]).toEqual([
      [":path", "/"],
      ["A-name", "y"],
      ["b", "1, "],
    ]);
    headers.replaceAll([
      ["X", "1"],
      ["x", "2"],
    ]);
    expect([...headers]).toEqual([["X", "1, 2"]]);
  });
});

describe("HTTP/1 text", () => {
  const read = (text: string, kind: Http1Kind): Record<string, string> =>
    Object.fromEntries(readHttp1Headers(text, kind));

  it.each<[string, Http1Kind, Record<string, string>]>([
    [
      "GET /a?b=c HTTP/1.1\nHost: h.example\nX: 1\r\nx:2\n",
      "request",
      { ":authority": "h.example", ":method": "GET", ":path": "/a?b=c", x: "1, 2" },
    ],
    [
      "GET https://h.example:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\nbody: not read",
      "request",
      { ":authority": "h.example:8080", ":method": "GET", ":path": "/a?b", ":scheme": "https" },
    ],
    [
      "POST http://h.example HTTP/1.1",
      "request",
      { ":authority": "h.example", ":method": "POST", ":path": "/", ":scheme": "http" },
    ],
    ["GET / HTTP/1.1\nA: one\n two", "request", { ":method": "GET", ":path": "/", a: "one two" }],
    ["HTTP/1.1 403 Forbidden\nMyHeader: v: w \n", "response", { ":status": "403", myheader: "v: w" }],
    ["HTTP/1.1 200", "response", { ":status": "200" }],
    ["HTTP/1.1 200 OK\nHost: kept", "response", { ":status": "200", host: "kept" }],
  ])("%j", (text, kind, headers) => {
    expect(read(text, kind)).toEqual(headers);
  });

  it.each<[string, Http1Kind, string]>([
    ["GET", "request", '"GET" is no request line'],
    ["GET *", "request", '"*" is neither a path'],
    ["GET //x/y HTTP/1.1", "request", '"//x/y" is neither a path'],
    ["GET / HTTP/1.1\nno colon", "request", '"no colon" is no header line'],
    ["200 OK", "response", '"200 OK" is no status line'],
    ["", "response", '"" is no status line'],
  ])("refuses %j", (text, kind, told) => {
    expect(() => readHttp1Headers(text, kind)).toThrow(told);
  });
});

describe("chunks", () => {
  it.each<[Partial<GoogleTest>, string, ReturnType<typeof chunkBody>]>([
    [{}, "abc", ["abc"]],
    [{}, "", [""]],
    [{ numChunks: 3 }, "abcdefgh", ["ab", "cd", "efgh"]],
    [{ numChunks: 1 }, "abc", ["abc"]],
    [{ numChunks: 4 }, "abc", { problem: "num_chunks is 4, more than the 3 bytes of the body" }],
    [{ numChunks: 0 }, "abc", { problem: "num_chunks is 0: there has to be at least one piece" }],
    [{ chunkSize: 2n }, "abcde", ["ab", "cd", "e"]],
    [{ chunkSize: 9n }, "abc", ["abc"]],
    [{ chunkSize: 0n }, "abc", { problem: "chunk_size is 0: a piece has to have at least one byte" }],
  ])("%s of %s", (plan, body, pieces) => {
    expect(chunkBody(body, { ...test, ...plan })).toEqual(pieces);
  });
});

describe("matchers", () => {
  const match = (matcher: GoogleMatcher, ...texts: string[]): string | undefined =>
    matchTexts(matcher, {
      what: "log line",
      texts,
      readFile: (path) => {
        if (path === "there.txt") return "con\xc3\xa4";
        throw new Error(`there is no file ${path}`);
      },
    })?.message;

  it.each<[GoogleMatcher, string[], string | undefined]>([
    [{ exact: "a" }, ["b", "a"], undefined],
    [{ exact: "a" }, ["b"], 'the log line is "b", expected one that is "a"'],
    [{ exact: "a" }, [], 'there is no log line, expected one that is "a"'],
    [{ exact: "a" }, ["b", "c\n"], String.raw`the log lines are "b", "c\n", expected one that is "a"`],
    [{ exact: "a" }, ["b", "c".repeat(60)], 'there are 2 log lines, expected one that is "a"'],
    [{ file: "there.txt" }, ["b"], 'the log line is "b", expected one that is the content of there.txt'],
    [{ exact: "a", invert: true }, ["b", "a"], 'the log line is "a", expected none that is "a"'],
    [{ exact: "a", invert: true }, [], undefined],
    [{ regex: "ä." }, ["\xc3\xa4x"], undefined],
    [{ regex: "b" }, ["ab"], 'the log line is "ab", expected one that matches b'],
    [{ regex: "a.*", invert: true }, ["b", "ab"], 'the log line is "ab", expected none that matches a.*'],
    [{ regex: "[a" }, [], "bad regex: missing ]: [a"],
    [{ regex: "[a", invert: true }, [], "bad regex: missing ]: [a"],
    [{ file: "there.txt" }, ["con\xc3\xa4"], undefined],
    [{ file: "there.txt", invert: true }, ["other"], undefined],
    [{ file: "gone.txt" }, [], "there is no file gone.txt"],
    [{}, ["a"], 'a matcher has to have "exact", "regex" or "file"'],
  ])("%j of %j", (matcher, texts, told) => {
    expect(match(matcher, ...texts)).toBe(told);
  });
});
