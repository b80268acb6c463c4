import { expect, it } from "vitest";
import type { StatusResult } from "../../../src/deploy/status.ts";
import { watchStatus } from "../../../src/deploy/status-watch.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";

const ON: StatusResult = { namespace: "shop", filters: [], notes: [] };
const OFF: StatusResult = {
  ...ON,
  filters: [
    {
      id: "hello",
      namespace: "shop",
      workload: "deployment/web",
      object: undefined,
      via: undefined,
      delivery: undefined,
      image: undefined,
      moduleDigest: undefined,
      filterDeployment: undefined,
      state: "off",
      steps: [{ name: "nodes", state: "waiting", message: "0/1 nodes" }],
      nodes: [],
      proxies: [],
    },
  ],
};
const AWAY = new WasmeError("unreachable", "KUBE_UNREACHABLE", "cannot reach https://api");
const DENIED = new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed to list pods");

/** Looks that see or throw this, one after the other; the last again and again. */
async function watch(...looks: readonly (StatusResult | Error)[]): Promise<{ end: unknown; said: readonly string[] }> {
  const said: string[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    sleep: (ms: number): Promise<void> => {
      now += ms;
      return Promise.resolve();
    },
  };
  const events = (event: ProgressEvent): void => void (event.type === "milestone" && said.push(event.message));
  let count = 0;
  const look = (): Promise<StatusResult> => {
    const seen = looks[Math.min(count, looks.length - 1)] ?? ON;
    count += 1;
    return seen instanceof Error ? Promise.reject(seen) : Promise.resolve(seen);
  };
  const end = await watchStatus({ clock, events }, look, { timeoutMs: 10_000, everyMs: 2000 }).catch(
    (error: unknown) => error,
  );
  return { end, said };
}

it("goes on while the server it has reached before is away", async () => {
  const { end, said } = await watch(OFF, AWAY, AWAY, ON);
  expect(end).toBe(ON);
  expect(said).toEqual(["hello on deployment/web in shop: nodes: 0/1 nodes", "cannot reach https://api: trying again"]);
});

it("gives up at once on a server it never reached, on what does not pass, and at its time", async () => {
  expect(await watch(AWAY, ON)).toEqual({ end: AWAY, said: [] });
  expect((await watch(OFF, DENIED, ON)).end).toBe(DENIED);
  expect((await watch(OFF, AWAY)).end).toBe(AWAY);
});
