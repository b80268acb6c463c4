import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { addFinalizer, hasFinalizer, removeFinalizer } from "../../../src/operator/finalizer.ts";

const LIVE: KubeObject = {
  apiVersion: "wasme.io/v1",
  kind: "FilterDeployment",
  metadata: { name: "hello", namespace: "shop", uid: "u", resourceVersion: "1" },
};

/** A server on which somebody writes the object before each of the first `others` of our requests. */
function contested(others: number, now: Partial<KubeObject["metadata"]> | undefined = {}) {
  const asked: string[] = [];
  const at = (): KubeObject => ({
    ...LIVE,
    metadata: { ...LIVE.metadata, ...now, resourceVersion: String(Math.min(asked.length, others) + 1) },
  });
  const port: Pick<KubePort, "jsonPatch" | "get"> = {
    get: () => Promise.resolve(now === undefined ? undefined : at()),
    jsonPatch: (_ref, patch) => {
      const sent = String(patch[0]?.value);
      asked.push(sent);
      const wanted = String(Math.min(asked.length, others + 1));
      if (asked.length <= others || sent !== wanted) {
        return Promise.reject(new WasmeError("usage", "KUBE_INVALID", "the test of the version failed"));
      }
      return Promise.resolve({ ...at(), metadata: { ...at().metadata, finalizers: ["wasme.io/filter-deployment"] } });
    },
  };
  return { port, asked };
}

describe("the finalizer", () => {
  it("is put on the object as it is now when somebody was quicker", async () => {
    const { port, asked } = contested(2);
    expect(hasFinalizer(await addFinalizer(port, LIVE))).toBe(true);
    expect(asked).toEqual(["1", "2", "3"]);
  });

  it("is a conflict, and no refusal, when the object never rests, is going, or is another one", async () => {
    const outcome = async (one: ReturnType<typeof contested>): Promise<unknown> =>
      addFinalizer(one.port, LIVE).catch((error: unknown) => (error instanceof WasmeError ? error.code : error));
    const busy = contested(9);
    expect(await outcome(busy)).toBe("KUBE_CONFLICT");
    expect(busy.asked).toHaveLength(3);
    for (const now of [{ uid: "other" }, { deletionTimestamp: "2026-01-01T00:00:00Z" }, undefined]) {
      const one =
        now === undefined
          ? { ...contested(9), port: { ...contested(9).port, get: () => Promise.resolve(undefined) } }
          : contested(9, now);
      expect(await outcome(one)).toBe("KUBE_CONFLICT");
    }
  });

  it("is not asked for where somebody put it on", async () => {
    const { port, asked } = contested(1, { finalizers: ["wasme.io/filter-deployment"] } as object);
    expect(hasFinalizer(await addFinalizer(port, LIVE))).toBe(true);
    expect(asked).toEqual(["1"]);
  });

  it("is taken off where it is now, when somebody takes another one off at the same time", async () => {
    const { port, asked } = leaving([[OURS]]);
    await removeFinalizer(port, GOING);
    expect(asked).toEqual(["/metadata/finalizers/1", "/metadata/finalizers/0"]);
  });

  it("is left alone where it is off, and on another object of the name", async () => {
    for (const { port, asked } of [leaving([["argo"]]), leaving([undefined]), leaving([["argo", OURS]], "other")]) {
      await removeFinalizer(port, GOING);
      expect(asked).toEqual(["/metadata/finalizers/1"]);
    }
  });

  it("is a conflict, and nothing that keeps the object, when the object never rests", async () => {
    const { port, asked } = leaving([[OURS], ["argo", OURS], [OURS], ["argo", OURS]]);
    await expect(removeFinalizer(port, GOING)).rejects.toMatchObject({ code: "KUBE_CONFLICT" });
    expect(asked).toHaveLength(3);
  });

  it("is refused in the words of the cluster where nobody else wrote the object", async () => {
    const refusal = new WasmeError("usage", "KUBE_INVALID", "a policy denies it");
    const refusing = (object: KubeObject): Pick<KubePort, "jsonPatch" | "get"> => ({
      get: () => Promise.resolve(object),
      jsonPatch: () => Promise.reject(refusal),
    });
    await expect(addFinalizer(refusing(LIVE), LIVE)).rejects.toBe(refusal);
    await expect(removeFinalizer(refusing(GOING), GOING)).rejects.toBe(refusal);
  });
});

const OURS = "wasme.io/filter-deployment";
const GOING = going("u", ["argo", OURS]);

function going(uid: string, finalizers: readonly string[]): KubeObject {
  const metadata: KubeObject["metadata"] & { readonly finalizers: readonly string[] } = {
    ...LIVE.metadata,
    uid,
    finalizers,
  };
  return { ...LIVE, metadata };
}

function withVersion(object: KubeObject, version: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

/** A server on which, before each of our patches, somebody else makes the finalizers what comes next; `undefined`: it is gone. */
function leaving(states: readonly (readonly string[] | undefined)[], uid = "u") {
  const asked: string[] = [];
  const now = (): KubeObject | undefined => {
    const finalizers = states[Math.min(asked.length, states.length) - 1];
    return finalizers && withVersion(going(uid, finalizers), asked.length + 1);
  };
  const port: Pick<KubePort, "jsonPatch" | "get"> = {
    get: () => Promise.resolve(now()),
    jsonPatch: (_ref, patch) => {
      asked.push(patch.at(-1)?.path ?? "");
      const live = now();
      if (live === undefined) return Promise.reject(new WasmeError("not-found", "KUBE_NOT_FOUND", "it is gone"));
      const holds = patch.every(
        ({ op, path, value }) => op !== "test" || valueAt(live, ...path.slice(1).split("/")) === value,
      );
      if (!holds) return Promise.reject(new WasmeError("usage", "KUBE_INVALID", "a test failed"));
      return Promise.resolve(live);
    },
  };
  return { port, asked };
}

function valueAt(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (one, key) => (typeof one === "object" && one !== null ? Reflect.get(one, key) : undefined),
    value,
  );
}
