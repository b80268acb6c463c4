import { expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { conditionsWith, yes } from "../../../src/operator/conditions.ts";
import { writeStatus } from "../../../src/operator/write-status.ts";
import { manualClock } from "../../support/manual-clock.ts";

const LIVE: KubeObject = {
  apiVersion: "wasme.io/v1",
  kind: "FilterDeployment",
  metadata: { name: "hello", namespace: "shop", uid: "one", generation: 1 },
};
const READY = {
  conditions: conditionsWith({ Ready: yes("Deployed", "all"), Degraded: yes("SomeFailed", "one") }),
  workloads: [],
};

/** What comes of a status that the server refuses with this code, when the object is this one by then. */
async function refused(
  code: string,
  uid: string | undefined,
): Promise<{ readonly events: number; readonly code: unknown }> {
  const recorded: string[] = [];
  const now = uid === undefined ? undefined : { ...LIVE, metadata: { ...LIVE.metadata, uid } };
  const port = {
    apply: () => Promise.reject(new WasmeError("failed", code, "refused")),
    get: () => Promise.resolve(now),
  };
  const recorder = { record: ({ reason }: { readonly reason: string }) => void recorded.push(reason) };
  const work = { deps: { port, recorder, clock: manualClock() }, live: LIVE, signal: new AbortController().signal };
  const thrown = await writeStatus(work, READY).catch((error: unknown) => error);
  return { events: recorded.length, code: thrown instanceof WasmeError ? thrown.code : thrown };
}

it("writes no status of an object that is gone or another one by now, and tries again where it is the same", async () => {
  expect(await refused("KUBE_NOT_FOUND", undefined)).toEqual({ events: 0, code: undefined });
  expect(await refused("KUBE_CONFLICT", undefined)).toEqual({ events: 0, code: undefined });
  expect(await refused("KUBE_CONFLICT", "two")).toEqual({ events: 0, code: undefined });
  expect(await refused("KUBE_CONFLICT", "one")).toEqual({ events: 0, code: "KUBE_CONFLICT" });
});
