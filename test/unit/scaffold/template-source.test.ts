import { describe, expect, it } from "vitest";
import { parseManifest } from "../../../src/scaffold/template-manifest.ts";
import { isInside, parseTemplateSource } from "../../../src/scaffold/template-source.ts";
import { failure } from "../../support/failure.ts";

describe("parseTemplateSource", () => {
  it.each([
    ["basic-auth", { kind: "catalogue", name: "basic-auth" }],
    ["templates/auth", { kind: "catalogue", name: "templates/auth" }],
    ["./auth", { kind: "folder", path: "./auth" }],
    ["..", { kind: "folder", path: ".." }],
    ["/srv/auth", { kind: "folder", path: "/srv/auth" }],
    ["~/auth", { kind: "folder", path: "~/auth" }],
    ["https://example.com/a/b.git", { kind: "git", url: "https://example.com/a/b.git" }],
    ["https://example.com/a/b.git#v1.2", { kind: "git", url: "https://example.com/a/b.git", ref: "v1.2" }],
    [
      "https://example.com/a/b.git//x/y/#feature/z",
      { kind: "git", url: "https://example.com/a/b.git", folder: "x/y", ref: "feature/z" },
    ],
    ["https://jo:secret@example.com/b//x", { kind: "git", url: "https://jo:secret@example.com/b", folder: "x" }],
    ["ssh://git@example.com:22/a/b", { kind: "git", url: "ssh://git@example.com:22/a/b" }],
    ["git@example.com:a/b.git//x#main", { kind: "git", url: "git@example.com:a/b.git", folder: "x", ref: "main" }],
    ["file:///srv/b//x#main", { kind: "git", url: "file:///srv/b", folder: "x", ref: "main" }],
    ["http://127.0.0.1:8080/b", { kind: "git", url: "http://127.0.0.1:8080/b" }],
    ["git://localhost:9418/b", { kind: "git", url: "git://localhost:9418/b" }],
  ])("%s", (text, source) => {
    expect(parseTemplateSource(text)).toEqual(source);
  });

  it.each([
    ["ext::sh -c id", /ext:/u],
    ["ext://sh -c id", /ext:/u],
    ["http://example.com/b", /http:/u],
    ["http://localhost.example.com/b", /http:/u],
    ["http://127.0.0.1@example.com/b", /http:/u],
    ["http://example.com?@localhost/b", /http:/u],
    ["http://example.com#@localhost/b", /http:/u],
    [String.raw`http://example.com\@localhost/b`, /http:/u],
    ["git://example.com/b", /git:/u],
    ["ssh://-oProxyCommand=id/b", /begins with -/u],
    ["https://example.com/b#--upload-pack=id", /no branch/u],
    ["https://example.com/b#a..b", /no branch/u],
    ["https://example.com/b#", /no branch/u],
    ["https://example.com/b//../../etc", /no folder/u],
    ["https://example.com/b//.git/hooks", /no folder/u],
    ["https://example.com/b\u0007", /no URL/u],
  ])("refuses %j", async (text, says) => {
    const error = await failure(Promise.resolve(text).then(parseTemplateSource));
    expect(error).toMatchObject({ kind: "usage", code: "TEMPLATE_URL_INVALID" });
    expect(error.message).toMatch(says);
  });
});

describe("isInside", () => {
  it.each(["a", "a/b.txt", ".gitignore", ".github/workflows/x.yml", "a b", "日本.md"])("takes %s", (path) => {
    expect(isInside(path)).toBe(true);
  });

  it.each([
    "",
    "/a",
    "a//b",
    "../a",
    "a/..",
    "./a",
    ".git",
    "a/.GIT/hooks",
    ".git /x",
    String.raw`a\b`,
    "C:x",
    "a\n",
    "x".repeat(241),
  ])("does not take %j", (path) => {
    expect(isInside(path)).toBe(false);
  });
});

describe("parseManifest", () => {
  const good = {
    name: "acme",
    summary: "does a thing",
    language: "rust",
    leaveOut: ["docs/", "x.md"],
    next: "wasme test\n",
  };

  it("reads one", () => {
    expect(parseManifest(JSON.stringify(good), "it")).toEqual({
      ...good,
      leaveOut: ["docs", "x.md"],
      next: "wasme test",
    });
    expect(parseManifest('{"name": "a", "language": "go"}', "it")).toEqual({
      name: "a",
      summary: "",
      language: "go",
      leaveOut: [],
      next: undefined,
    });
  });

  it.each([
    ["[]", /not a JSON object/u],
    ["{", /not a JSON object/u],
    [JSON.stringify({ ...good, scripts: { post: "rm" } }), /unknown key "scripts"/u],
    [JSON.stringify({ ...good, leaveout: [] }), /unknown key "leaveout"; did you mean leaveOut\?/u],
    [JSON.stringify({ ...good, name: undefined }), /"name" is missing/u],
    [JSON.stringify({ ...good, name: "a\u001b[31m" }), /"name" must be a line of text/u],
    [JSON.stringify({ ...good, language: "cobol" }), /"language" must be one of assemblyscript, rust/u],
    [JSON.stringify({ ...good, leaveOut: "docs" }), /"leaveOut"/u],
    [JSON.stringify({ ...good, leaveOut: ["../x"] }), /"leaveOut"/u],
    [JSON.stringify({ ...good, next: "\u001b]0;title\u0007" }), /"next"/u],
    [JSON.stringify({ ...good, next: "x".repeat(2001) }), /"next"/u],
  ])("refuses %.100s", async (text, says) => {
    const error = await failure(Promise.resolve().then(() => parseManifest(text, "wasme-template.json of ./x")));
    expect(error).toMatchObject({ kind: "usage", code: "TEMPLATE_INVALID" });
    expect(error.message).toMatch(/wasme-template\.json of \.\/x/u);
    expect(error.message).toMatch(says);
  });
});
