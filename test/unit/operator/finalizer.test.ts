import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { addFinalizer, hasFinalizer } from "../../../src/operator/finalizer.ts";

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
});
