import { assert, constantFrom, property, array, tuple, string as anyString, oneof, type Arbitrary } from "fast-check";
import { describe, expect, test } from "vitest";
import { HeaderMap, lowerAscii } from "../../../src/host/header-map.ts";
import { inlineNames, type MapKind } from "../../../src/host/inline-headers.ts";

describe("a header map", () => {
  test("keeps pseudo headers first, in the order they came, and everything else in its own", () => {
    const map = new HeaderMap("request", [
      ["B", "1"],
      [":path", "/"],
      ["a", "2"],
      [":method", "GET"],
      ["b", "3"],
    ]);
    expect(map.flat).toEqual([":path", "/", ":method", "GET", "b", "1", "a", "2", "b", "3"]);
    expect(map.size).toBe(5);
    expect(map.byteSize).toBe(map.flat.join("").length);
    expect([...map]).toEqual([
      [":path", "/"],
      [":method", "GET"],
      ["b", "1"],
      ["a", "2"],
      ["b", "3"],
    ]);
  });

  test("host of a request is :authority, of a response a name like any other", () => {
    const request = new HeaderMap("request", [["Host", "a"]]);
    expect(request.flat).toEqual([":authority", "a"]);
    request.add("host", "b");
    expect([request.get(":authority"), request.get("host"), request.has("host")]).toEqual(["a,b", "a,b", true]);
    expect(request.remove("host")).toBe(1);
    expect(request.size).toBe(0);
    expect(new HeaderMap("response", [["host", "a"]]).flat).toEqual(["host", "a"]);
  });

  test("a value added to an inline name is joined with a comma, but not where one of the two is empty", () => {
    const map = new HeaderMap("response", [["via", "a"]]);
    map.add("via", "");
    map.add("via", "b");
    expect(map.values("via")).toEqual(["a,b"]);
    map.set("via", "");
    map.add("via", "c");
    expect(map.values("via")).toEqual(["c"]);
    map.add(":status", "200");
    map.add(":status", "404");
    expect(map.get(":status")).toBe("200,404");
  });

  test("names that are not inline have several entries; the first is read", () => {
    const map = new HeaderMap("response", [
      ["set-cookie", "a"],
      ["x", "0"],
      ["set-cookie", "b"],
    ]);
    expect([map.get("set-cookie"), map.values("set-cookie")]).toEqual(["a", ["a", "b"]]);
  });

  test("set puts one entry at the end, put writes in its place", () => {
    const map = new HeaderMap("response", [
      ["x", "1"],
      ["y", "2"],
      ["x", "3"],
      [":status", "200"],
      [":other", "1"],
    ]);
    map.set("x", "4");
    map.set(":status", "201");
    expect(map.flat).toEqual([":other", "1", ":status", "201", "y", "2", "x", "4"]);
    map.put("y", "5");
    map.put(":other", "6");
    map.put("z", "7");
    expect(map.flat).toEqual([":other", "6", ":status", "201", "y", "5", "x", "4", "z", "7"]);
  });

  test("replacing everything forgets what was there, pseudo headers too", () => {
    const map = new HeaderMap("request", [
      [":path", "/"],
      [":method", "GET"],
      ["a", "1"],
    ]);
    map.replaceAll([
      ["X-Y", "1"],
      [":path", "/b"],
    ]);
    expect(map.flat).toEqual([":path", "/b", "x-y", "1"]);
    map.replaceAll([]);
    map.add("a", "1");
    map.add(":path", "/");
    expect(map.flat).toEqual([":path", "/", "a", "1"]);
  });

  test("a clone is its own", () => {
    const map = new HeaderMap("request", [
      [":path", "/"],
      ["a", "1"],
    ]);
    const copy = map.clone();
    copy.add(":method", "GET");
    copy.set("a", "2");
    expect(map.flat).toEqual([":path", "/", "a", "1"]);
    expect(copy.flat).toEqual([":path", "/", ":method", "GET", "a", "2"]);
  });

  test("is made of names and values in turn", () => {
    expect(HeaderMap.of("request", ["Host", "a", "X", "1", "odd"]).flat).toEqual([":authority", "a", "x", "1"]);
  });

  test("lowers ASCII letters only: other bytes may be halves of UTF-8", () => {
    expect(lowerAscii("AZ-az[\u00c3\u0084\u00c4")).toBe("az-az[\u00c3\u0084\u00c4");
  });
});

describe("any sequence of changes", () => {
  test.each<MapKind>(["request", "response", "trailers"])("of a %s map does what a plain list would", (kind) => {
    assert(
      property(array(change(kind)), (changes) => {
        const map = new HeaderMap(kind);
        let plain: Pair[] = [];
        for (const [what, name, value] of changes) {
          if (what === "removeAll") map.removeAll(new Set([name, "x-a"]));
          else map[what](name, value);
          plain = plainly(kind, plain, { what, name, value });
        }
        const pseudo = plain.filter(([name]) => name.startsWith(":"));
        const rest = plain.filter(([name]) => !name.startsWith(":"));
        expect([...map]).toEqual([...pseudo, ...rest]);
        expect(map.size).toBe(plain.length);
        for (const [name] of plain) {
          const values = plain.filter(([other]) => other === name).map(([, each]) => each);
          expect([map.values(name), map.get(name), map.has(name)]).toEqual([values, values[0], true]);
        }
        expect(map.get("absent")).toBeUndefined();
      }),
    );
  });
});

type Pair = readonly [string, string];
type What = "add" | "set" | "put" | "remove" | "removeAll";

function change(kind: MapKind): Arbitrary<[What, string, string]> {
  const inline = [...inlineNames(kind)];
  const names = constantFrom("host", "cookie", "x-a", "x-b", ":strange", ...inline.slice(0, 6), ...inline.slice(-2));
  const values = oneof(constantFrom("", "a", "b"), anyString({ maxLength: 3 }));
  return tuple(constantFrom<What[]>("add", "add", "set", "put", "remove", "removeAll"), names, values);
}

function plainly(
  kind: MapKind,
  list: Pair[],
  { what, name, value }: { what: What; name: string; value: string },
): Pair[] {
  const key = name === "host" && kind === "request" ? ":authority" : name;
  const at = list.findIndex(([each]) => each === key);
  const others = list.filter(([each]) => each !== key);
  if (what === "remove") return others;
  if (what === "removeAll") return list.filter(([each]) => each !== name && each !== "x-a");
  if (what === "set") return [...others, [key, value]];
  const inPlace = at !== -1 && (what === "put" || inlineNames(kind).has(key));
  if (!inPlace) return [...list, [key, value]];
  return list.with(at, [key, what === "put" ? value : joined(list[at]?.[1] ?? "", value)]);
}

function joined(old: string, value: string): string {
  return [old, value].filter((each) => each !== "").join(",");
}
