import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { type HandCluster, startHandCluster, versioned } from "./hand-cluster.ts";

const KIND = Kinds.wasmPlugin;
const REF = { kind: KIND, namespace: "shop", name: "web-hello" };

function plugin(uid: string, text = ""): KubeObject {
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { name: "web-hello", namespace: "shop", uid },
    spec: { text },
  };
}

describe("a port that remembers what was written", () => {
  let cluster: HandCluster;
  beforeEach(async () => {
    cluster = await startHandCluster();
  });
  afterEach(() => cluster.stop());

  const seen = async (): Promise<string | undefined> => {
    const one = await cluster.port.get(REF);
    const { items } = await cluster.port.list({ kind: KIND, namespace: "shop" });
    expect(items).toEqual(one === undefined ? [] : [one]);
    return one && `${one.metadata.uid} ${JSON.stringify(one["spec"])} at ${one.metadata.resourceVersion}`;
  };

  it("gives an answer until the news of it come", async () => {
    const made = await cluster.port.apply(KIND, plugin("a"));
    expect(await seen()).toBe('a {"text":""} at 1');
    await cluster.tell(KIND, "ADDED", made);
    await cluster.tell(KIND, "MODIFIED", versioned(plugin("a", "theirs"), cluster.version()));
    expect(await seen()).toBe('a {"text":"theirs"} at 2');
  });

  it("sees what it made deleted, although nobody read it in between", async () => {
    const made = await cluster.port.apply(KIND, plugin("a"));
    await cluster.tell(KIND, "ADDED", made);
    await cluster.tell(KIND, "DELETED", made);
    expect(await seen()).toBeUndefined();
  });

  it("sees it deleted again, after it was made again", async () => {
    for (const uid of ["a", "b", "c"]) {
      const made = await cluster.port.apply(KIND, plugin(uid));
      await cluster.tell(KIND, "ADDED", made);
      expect(cluster.port.isOwn(KIND, made)).toBe(true);
      await cluster.tell(KIND, "DELETED", made);
      expect(await seen()).toBeUndefined();
    }
  });

  it("takes news that come before the answer, all of them", async () => {
    let made: KubeObject | undefined;
    cluster.answer = async (object) => {
      made = versioned(object, cluster.version());
      await cluster.tell(KIND, "ADDED", made);
      await cluster.tell(KIND, "DELETED", made);
      return made;
    };
    await cluster.port.apply(KIND, plugin("a"));
    expect(await seen()).toBeUndefined();
  });

  it("keeps an answer when the news are of before it", async () => {
    const first = versioned(plugin("a"), cluster.version());
    await cluster.tell(KIND, "ADDED", first);
    const theirs = versioned(plugin("a", "theirs"), cluster.version());
    cluster.answer = (object) => Promise.resolve(versioned(object, cluster.version()));
    await cluster.port.apply(KIND, plugin("a", "ours"));
    await cluster.tell(KIND, "MODIFIED", theirs);
    expect(await seen()).toBe('a {"text":"ours"} at 3');
    // The end of an object of the same name, told after another one was made.
    await cluster.port.delete(REF);
    expect(await seen()).toBeUndefined();
    const second = await cluster.port.create(KIND, plugin("b", "new"));
    await cluster.tell(KIND, "DELETED", first);
    expect(await seen()).toBe('b {"text":"new"} at 4');
    await cluster.tell(KIND, "ADDED", second);
    await cluster.tell(KIND, "DELETED", second);
    expect(await seen()).toBeUndefined();
  });

  it("keeps nothing of an answer that changes nothing", async () => {
    const live = versioned(plugin("a"), cluster.version());
    await cluster.tell(KIND, "ADDED", live);
    cluster.answer = () => Promise.resolve(live);
    await cluster.port.apply(KIND, plugin("a"));
    await cluster.tell(KIND, "DELETED", live);
    expect(await seen()).toBeUndefined();
  });
});
