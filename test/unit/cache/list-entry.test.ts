import { describe, expect, it } from "vitest";
import { ImageLists } from "../../../src/cache/image-lists.ts";
import { entriesOfConfigMap, entriesOfText, type ListEntry } from "../../../src/cache/list-entry.ts";
import { cacheEntry } from "../../../src/mesh/cache-objects.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";

const A = digestOf("a");
const B = digestOf("b");
const keyA = A.replace(":", "-");

describe("the entries of the list's ConfigMap", () => {
  it("are pinned by their keys", () => {
    const { key, value } = cacheEntry({ reference: parseImageReference("ghcr.io/acme/auth:v1"), manifestDigest: A });
    const [entry] = entriesOfConfigMap({ [key]: value });
    expect(entry).toEqual({
      id: `ghcr.io/acme/auth:v1@${A}`,
      key: keyA,
      text: `ghcr.io/acme/auth:v1@${A}`,
      reference: { host: "ghcr.io", repository: "acme/auth", tag: "v1", digest: A },
    });
    expect(entriesOfConfigMap({ [keyA]: "ghcr.io/acme/auth:v1\n" })[0]?.reference?.digest).toBe(A);
  });

  it("say what is wrong with them, each for itself", () => {
    const entries = entriesOfConfigMap({
      [keyA]: `ghcr.io/acme/auth@${B}`,
      "sha256-short": "a/b",
      images: "UP CASE\nc/d:v1",
    });
    expect(entries.map(({ problem, reference }) => problem ?? reference?.repository)).toEqual([
      `its key names the manifest ${A}, its reference ${B}`,
      "a/b",
      expect.stringMatching(/^invalid image reference "UP CASE"/u),
      "c/d",
    ]);
    expect(new Set(entries.map(({ id }) => id)).size).toBe(4);
    for (const { key } of entries) expect(key).toMatch(/^[-._a-zA-Z0-9]{1,253}$/u);
  });
});

describe("a list with one reference a line", () => {
  it("may have blank lines, comments, carriage returns and the same image twice", () => {
    const text = "\n  hello:v1  \r\n# nothing\n\ndocker.io/library/hello:v1\nhello:v2\n";
    expect(entriesOfText(text).map(({ id }) => id)).toEqual([
      "docker.io/library/hello:v1",
      "docker.io/library/hello:v2",
    ]);
    expect(entriesOfText("")).toEqual([]);
  });
});

describe("several lists", () => {
  it("are known once all were read, and are one", () => {
    const told: (readonly ListEntry[])[] = [];
    const lists = new ImageLists(["file", "cluster"], (entries) => told.push(entries));
    lists.setText("file", "a:v1\nb:v1");
    lists.setData({ images: "b:v1\nc:v1" }, "memory");
    expect([lists.isKnown, lists.missing]).toEqual([false, ["cluster"]]);
    lists.setData({ images: "c:v1" });
    expect(lists.isKnown).toBe(true);
    expect(told.map((entries) => entries.length)).toEqual([2, 3, 3]);
  });

  it("go by what is remembered when a source does not answer", () => {
    const lists = new ImageLists(["cluster"], () => undefined);
    lists.setData({ images: "a:v1" }, "memory");
    lists.settle("cluster");
    expect([lists.isKnown, lists.entries.length]).toEqual([true, 1]);
  });

  it("names no secrets of what is listed: others read reports and events", () => {
    for (const entries of [
      entriesOfText("https://user:s3cret-1@registry.example/team/x:v1"),
      entriesOfConfigMap({ [`sha256-${"ab".repeat(32)}`]: "https://user:s3cret-1@registry.example/team/x:v1" }),
    ]) {
      expect(entries).toHaveLength(1);
      expect(JSON.stringify(entries.map(({ text, problem }) => [text, problem]))).not.toContain("s3cret-1");
    }
  });
});
