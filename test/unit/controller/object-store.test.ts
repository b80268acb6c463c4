import { describe, expect, it } from "vitest";
import { createStore, keyOf, partsOf } from "../../../src/controller/object-store.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

function object(name: string, namespace?: string, labels: Record<string, string> = {}): KubeObject {
  const metadata = { name, labels, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: "v1", kind: "Thing", metadata };
}

describe("the object store", () => {
  it("names objects by namespace and name", () => {
    for (const one of [object("a", "ns"), object("cluster-wide")]) {
      expect(partsOf(keyOf(one))).toEqual(
        one.metadata.namespace === undefined
          ? { name: one.metadata.name }
          : { name: one.metadata.name, namespace: one.metadata.namespace },
      );
    }
    expect(keyOf(object("a", "ns"))).toBe("ns/a");
    expect(keyOf(object("a"))).toBe("a");
  });

  it("finds by namespace, labels and indexes, as things are now", () => {
    const store = createStore({
      app: (one) => (one.metadata.labels?.["app"] ?? "").split("+").filter((part) => part !== ""),
    });
    const put = (one: KubeObject): unknown => store.set(keyOf(one), one);
    const names = (...query: Parameters<typeof store.list>): string[] =>
      store
        .list(...query)
        .map(keyOf)
        .toSorted();
    put(object("a", "one", { app: "x", tier: "web" }));
    put(object("b", "one", { app: "x+y" }));
    put(object("c", "two", { app: "y", tier: "web" }));
    put(object("d"));
    expect(names()).toEqual(["d", "one/a", "one/b", "two/c"]);
    expect(names({ namespace: "one" })).toEqual(["one/a", "one/b"]);
    expect(names({ labels: { tier: "web" } })).toEqual(["one/a", "two/c"]);
    expect(names({ namespace: "two", labels: { tier: "web" } })).toEqual(["two/c"]);
    expect(names({ index: { name: "app", value: "y" } })).toEqual(["one/b", "two/c"]);
    expect(names({ namespace: "one", index: { name: "app", value: "y" } })).toEqual(["one/b"]);
    put(object("b", "one", { app: "z" }));
    expect(store.delete("one/a")?.metadata.name).toBe("a");
    expect(store.delete("one/a")).toBeUndefined();
    expect(names({ index: { name: "app", value: "x" } })).toEqual([]);
    expect(names({ index: { name: "app", value: "z" } })).toEqual(["one/b"]);
    expect(names({ namespace: "one" })).toEqual(["one/b"]);
    expect(store.size).toBe(3);
    expect(() => store.list({ index: { name: "none", value: "" } })).toThrow("no index");
  });
});
