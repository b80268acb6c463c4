import { describe, expect, it } from "vitest";
import { guardWrites } from "../../../src/controller/guard-writes.ts";
import { type Leadership, leaderIdentity, runLeaderElection } from "../../../src/controller/leader-election.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { LeaseServer, type LeasePort, type Weather } from "../../support/lease-server.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";

/** One process that wants to lead. */
interface Candidate {
  leadership: Leadership | undefined;
  /** `undefined` while it goes on. */
  end: { readonly error?: unknown } | undefined;
  readonly status: boolean[];
  /** Ends what it does as leader. */
  finish: (error?: Error) => void;
  readonly stop: AbortController;
}

function start(clock: ManualClock, port: LeasePort, identity: string): Candidate {
  const stop = new AbortController();
  const candidate: Candidate = { leadership: undefined, end: undefined, status: [], finish: () => undefined, stop };
  const lead = (leadership: Leadership): Promise<void> => {
    candidate.leadership = leadership;
    return new Promise((resolve, reject) => {
      candidate.finish = (error) => (error === undefined ? resolve() : reject(error));
    });
  };
  const lease = { namespace: "wasme", name: "wasme-operator" };
  const options = {
    port,
    clock,
    log: silentLog,
    lease,
    identity,
    onStatus: (leads: boolean) => candidate.status.push(leads),
  };
  runLeaderElection(options, lead, stop.signal).then(
    () => (candidate.end = {}),
    (error: unknown) => (candidate.end = { error }),
  );
  return candidate;
}

const leads = (candidate: Candidate): boolean => candidate.leadership?.leads() ?? false;

describe("leader election", () => {
  it("makes a lease the API takes, and keeps its times and count", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const one = start(clock, server.port(), "one");
    await clock.advance(0);
    expect(leads(one)).toBe(true);
    expect(server.lease?.["spec"]).toEqual({
      holderIdentity: "one",
      leaseDurationSeconds: 15,
      acquireTime: "2026-01-01T00:00:01.000000Z",
      renewTime: "2026-01-01T00:00:01.000000Z",
      leaseTransitions: 0,
    });
    await clock.advance(2000);
    expect(server.lease?.["spec"]).toMatchObject({
      acquireTime: "2026-01-01T00:00:01.000000Z",
      renewTime: "2026-01-01T00:00:03.000000Z",
    });
    // Renewing is one request each time.
    const before = server.requests;
    await clock.advance(20_000);
    expect(server.requests - before).toBe(10);
  });

  it("lets the next one lead within seconds when the first is done, and counts", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const one = start(clock, server.port(), "one");
    await clock.advance(0);
    const two = start(clock, server.port(), "two");
    await clock.advance(60_000);
    expect([leads(one), leads(two)]).toEqual([true, false]);
    one.finish();
    await clock.advance(0);
    expect(one.end).toEqual({});
    expect(one.status).toEqual([false, true, false]);
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    await clock.advance(4500);
    expect(leads(two)).toBe(true);
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "two", leaseTransitions: 1 });
  });

  it("takes over from who fell silent, 15 s after it saw the last renewal and not before", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const weather = { gone: false };
    const one = start(clock, server.port(only(weather)), "one");
    await clock.advance(0);
    const two = start(clock, server.port(), "two");
    await clock.advance(30_000);
    weather.gone = true;
    await clock.advance(12_000);
    expect([leads(one), leads(two)]).toEqual([false, false]);
    // It may see the last renewal 4.4 s late, and look again 4.4 s after the 15 s.
    await clock.advance(12_000);
    expect([leads(one), leads(two)]).toEqual([false, true]);
  });

  it("does not care for what clocks on walls say, its own or another's", async () => {
    const clock = manualClock();
    const walls = [clock, { ...clock, now: () => clock.now() - 3_600_000 }] as const;
    const server = new LeaseServer(clock);
    const one = start(walls[1], server.port(), "one");
    await clock.advance(0);
    const two = start(walls[0], server.port(), "two");
    for (const jump of [3_600_000, -7_200_000, 86_400_000, -86_400_000]) {
      clock.jump(jump);
      await clock.advance(10_000);
      expect([leads(one), leads(two)]).toEqual([true, false]);
    }
    expect(one.end).toBeUndefined();
  });

  it("is told to end when it cannot renew for 10 s, before another may lead", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const weather = { gone: false };
    const one = start(clock, server.port(only(weather)), "one");
    await clock.advance(5000);
    weather.gone = true;
    await clock.advance(8000);
    expect(leads(one)).toBe(true);
    await clock.advance(2500);
    expect(leads(one)).toBe(false);
    expect(one.leadership?.lost.aborted).toBe(true);
    expect(one.end?.error).toMatchObject({ code: "LEADER_LOST", cause: { code: "KUBE_UNREACHABLE" } });
    // It must not give away what may be another's.
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "one" });
    expect(one.status).toEqual([false, true, false]);
  });

  it("does not wait for an answer that never comes", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    let slow = 0;
    const one = start(clock, server.port({ there: () => slow, back: () => 0, lost: () => "no" }), "one");
    await clock.advance(1000);
    slow = 1e9;
    await clock.advance(8999);
    expect(leads(one)).toBe(true);
    await clock.advance(1);
    expect(one.end?.error).toMatchObject({ code: "LEADER_LOST" });
  });

  it("counts from when a request was sent, not from when its answer came", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const weather = { gone: false };
    // Reading and making the lease, then one renewal: later requests get lost.
    const backs = [0, 7000, 4000];
    const slow = { ...only(weather), back: () => backs.shift() ?? 0 };
    const one = start(clock, server.port(slow), "one");
    await clock.advance(7000);
    expect(leads(one)).toBe(true);
    // The renewal is sent at 9 s and answered at 13 s; what was sent at the start counts until 10 s.
    await clock.advance(2999);
    expect(leads(one)).toBe(true);
    await clock.advance(1);
    expect(leads(one)).toBe(false);
    weather.gone = true;
    backs.push(0, 0, 4000);
    const other = new LeaseServer(clock);
    const late = { gone: false };
    const two = start(clock, other.port({ ...only(late), back: () => backs.shift() ?? 0 }), "two");
    await clock.advance(6000);
    late.gone = true;
    await clock.advance(5999);
    expect(leads(two)).toBe(true);
    await clock.advance(1);
    expect(leads(two)).toBe(false);
  });

  it("keeps leading when an answer gets lost after the server wrote it", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    let lost: "no" | "answer" = "no";
    const one = start(clock, server.port({ there: () => 0, back: () => 0, lost: () => lost }), "one");
    await clock.advance(1000);
    lost = "answer";
    await clock.advance(2000);
    lost = "no";
    await clock.advance(60_000);
    expect(leads(one)).toBe(true);
    expect(one.end).toBeUndefined();
  });

  it("gives the lease away also when its end cuts a renewal that the server has written", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    let back = 0;
    const one = start(clock, server.port({ there: () => 0, back: () => back, lost: () => "no" }), "one");
    await clock.advance(1000);
    back = 500;
    await clock.advance(1000);
    const before = server.lease?.metadata.resourceVersion;
    one.finish();
    await clock.advance(5000);
    expect(one.end).toEqual({});
    expect(before).toBe("2");
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "" });
  });

  it("ends at the next renewal when another holds the lease", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const one = start(clock, server.port(), "one");
    await clock.advance(1000);
    server.overwrite({ holderIdentity: "somebody" });
    await clock.advance(2000);
    const message = expect.stringContaining("somebody took it") as string;
    expect(one.end?.error).toMatchObject({ code: "LEADER_LOST", message });
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "somebody" });
  });

  it("makes the lease anew when somebody deletes it", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const one = start(clock, server.port(), "one");
    await clock.advance(1000);
    server.lease = undefined;
    await clock.advance(30_000);
    expect(leads(one)).toBe(true);
    expect(server.lease).toMatchObject({ spec: { holderIdentity: "one" } });
  });

  it("releases the lease and passes the error on when the leader's work fails", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    const one = start(clock, server.port(), "one");
    await clock.advance(1000);
    one.finish(new Error("broken"));
    await clock.advance(0);
    expect(one.end).toEqual({ error: new Error("broken") });
    expect(server.lease?.["spec"]).toMatchObject({ holderIdentity: "" });
  });

  it("stops waiting when told to, also while the server is away", async () => {
    const clock = manualClock();
    const server = new LeaseServer(clock);
    start(clock, server.port(), "one");
    await clock.advance(0);
    const two = start(clock, server.port(), "two");
    const three = start(clock, server.port(only({ gone: true })), "three");
    await clock.advance(5000);
    two.stop.abort();
    three.stop.abort();
    await clock.advance(0);
    expect([two.end, three.end]).toEqual([{}, {}]);
    expect([two.status, three.status]).toEqual([[false], [false]]);
  });

  it("refuses writes from the moment it may no longer lead, whatever timers say", async () => {
    let leading = true;
    const written: string[] = [];
    const port = {
      server: "s",
      create: async () => void written.push("create"),
      get: async () => "read",
    } as unknown as KubePort;
    const guarded = guardWrites(port, { leads: () => leading });
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
    const kind = { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };
    await guarded.create(kind, object);
    leading = false;
    await expect(guarded.create(kind, object)).rejects.toMatchObject({ code: "LEADER_LOST" });
    await expect(guarded.delete({ kind, name: "a" })).rejects.toMatchObject({ code: "LEADER_LOST" });
    expect(await guarded.get({ kind, name: "a" })).toBe("read");
    expect(written).toEqual(["create"]);
  });

  it("names every process anew", () => {
    expect(leaderIdentity("node-1")).toMatch(/^node-1_[0-9a-f-]{36}$/u);
    expect(leaderIdentity("node-1")).not.toBe(leaderIdentity("node-1"));
  });
});

/** Requests arrive, until `gone`. */
function only(state: { readonly gone: boolean }): Weather {
  return { there: () => 0, back: () => 0, lost: () => (state.gone ? "request" : "no") };
}
