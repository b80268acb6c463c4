import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { Brought } from "../../../src/operator/bring-about.ts";
import { conclude } from "../../../src/operator/conclude.ts";
import { adviceOf, inObjectWords, conditionsWith, no, yes } from "../../../src/operator/conditions.ts";
import { nextStatus } from "../../../src/operator/status.ts";
import type { Work } from "../../../src/operator/work.ts";
import { Waits } from "../../../src/operator/waits.ts";
import { manualClock } from "../../support/manual-clock.ts";

const LIVE: KubeObject = {
  apiVersion: "wasme.io/v1",
  kind: "FilterDeployment",
  metadata: { name: "hello", namespace: "shop", uid: "u", generation: 3 },
  spec: {},
};
const IMAGE = {
  reference: parseImageReference("ghcr.io/acme/hello:v1"),
  manifestDigest: digestOf("manifest"),
  moduleDigest: digestOf("module"),
} as ResolvedImage;

function end(
  brought: Partial<Brought>,
  { live = LIVE, clock = manualClock(), waits = new Waits(clock) } = {},
): ReturnType<typeof conclude> {
  const settings = { resolveMs: 300_000, resyncMs: 600_000 };
  const port = { known: () => [] };
  const work = { live, namespace: "shop", deps: { settings, clock, waits, port } } as unknown as Work;
  return conclude(work, { image: IMAGE, verified: "v" }, { results: [], wanted: [], failures: [], ...brought });
}

const DENIED = new WasmeError("failed", "KUBE_DENIED", "a policy says no");
const WRONG = new WasmeError("usage", "ANNOTATION_INVALID", "the annotation is no JSON");

describe("the end of a reconcile", () => {
  it("tries again soon when one of several failures may pass, whichever came first", () => {
    const results = [
      { name: "a", state: "Failed" },
      { name: "b", state: "Failed" },
    ] as const;
    for (const failures of [
      [WRONG, DENIED],
      [DENIED, WRONG],
    ]) {
      const { failure, findings } = end({ results, failures });
      expect(failure).toBe(DENIED);
      expect(findings.conditions.Ready).toEqual(
        no("SomeFailed", "2 of 2 workloads cannot get the filter: a policy says no"),
      );
    }
    expect(end({ results, failures: [WRONG] })).toMatchObject({ againMs: expect.any(Number) as number });
  });

  it("is not ready while a workload has nothing, although nothing is waited for", () => {
    const results = [
      { name: "a", state: "Succeeded" },
      { name: "b", state: "Pending", reason: "nothing is planned for Deployment b" },
    ] as const;
    const { findings, againMs } = end({ results });
    const open = no("InProgress", "1 of 2 workloads have the filter: nothing is planned for Deployment b");
    expect(findings.conditions).toMatchObject({ Ready: open, WorkloadsUpdated: open });
    expect(againMs).toBe(5000);
    const done = end({ results: results.slice(0, 1) });
    expect(done.findings.conditions.Ready).toEqual(yes("Deployed", "1 of 1 workloads have the filter"));
    expect(done.againMs).toBeGreaterThan(100_000);
  });
});

describe("a wait", () => {
  const awaiting = { step: { type: "wait-module" }, message: "0/3 nodes" } as Brought["awaiting"];
  const results = [{ name: "web", state: "Pending", reason: "0/3 nodes" }] as const;
  const degraded = ({ findings }: ReturnType<typeof end>): string => findings.conditions.Degraded.reason;

  it("is late after five minutes, whatever the wall clock was set to meanwhile", async () => {
    const clock = manualClock();
    const waits = new Waits(clock);
    let live = LIVE;
    const look = (): string => {
      const judged = end({ results, ...(awaiting && { awaiting }) }, { live, clock, waits });
      const status = nextStatus(live, judged.findings, clock.now());
      if (status !== undefined) live = { ...live, status };
      return degraded(judged);
    };
    expect(look()).toBe("InProgress");
    for (const jump of [3_600_000, -7_200_000, 3_600_000]) {
      clock.jump(jump);
      expect(look()).toBe("InProgress");
    }
    await clock.advance(299_000);
    expect(look()).toBe("InProgress");
    clock.jump(-3_600_000);
    await clock.advance(2000);
    expect(look()).toBe("TakesTooLong");
    // Another program goes by what the status says, and by nothing that is not over yet.
    const other = (): string => {
      const judged = end({ results, ...(awaiting && { awaiting }) }, { live, clock, waits: new Waits(clock) });
      return degraded(judged);
    };
    expect(other()).toBe("InProgress");
    clock.jump(3_600_000);
    expect(other()).toBe("TakesTooLong");
  });

  it("begins anew with the next one", async () => {
    const clock = manualClock();
    const waits = new Waits(clock);
    const waiting = { results, ...(awaiting && { awaiting }) };
    expect(degraded(end(waiting, { clock, waits }))).toBe("InProgress");
    await clock.advance(400_000);
    end({ results: [{ name: "web", state: "Succeeded" }] }, { clock, waits });
    expect(degraded(end(waiting, { clock, waits }))).toBe("InProgress");
  });
});

describe("a node cache that is down under a filter that is deployed", () => {
  const cache = { namespace: "wasme", name: "wasme-cache" };
  const awaiting = { step: { type: "wait-module", cache }, message: "0/2 nodes; a: its cache pod is not ready" };
  const brought = { results: [{ name: "web", state: "Succeeded" }], awaiting } as unknown as Brought;

  it("is not told of while it may be short, and looked at again", () => {
    const { findings, againMs } = end({ ...brought, outage: "short" });
    const { Ready, Degraded } = findings.conditions;
    expect([Ready.reason, Degraded.reason]).toEqual(["Deployed", "AsWanted"]);
    expect(againMs).toBe(30_000);
  });

  it("is told of once it lasts, with what to look at; the workloads are not less updated for that", () => {
    const { findings, againMs, failure } = end({ ...brought, outage: "lasting" });
    const { CacheReady, WorkloadsUpdated, Ready, Degraded } = findings.conditions;
    const message =
      "0/2 nodes; a: its cache pod is not ready: proxies that have the filter keep it, new ones may not get it; see kubectl get daemonset,pods -n wasme -l app.kubernetes.io/instance=wasme-cache -o wide";
    for (const one of [CacheReady, Ready]) expect(one).toEqual(no("ModuleUnavailable", message));
    expect(Degraded).toEqual(yes("ModuleUnavailable", message));
    expect(WorkloadsUpdated.status).toBe("True");
    expect([againMs, failure]).toEqual([30_000, undefined]);
  });
});

describe("the status", () => {
  const findings = {
    id: "hello",
    conditions: conditionsWith({ Ready: no("Refused", "first"), Degraded: no("NothingDeployed", "none") }),
    workloads: [],
  };

  it("is written when it says something new, and keeps the time of what stays", () => {
    const first = nextStatus(LIVE, findings, Date.UTC(2026, 0, 1));
    expect(first?.["conditions"]).toMatchObject([
      { type: "Ready", status: "False", lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 3 },
      { type: "ImageVerified", status: "Unknown", reason: "NotYet" },
      { type: "CacheReady", status: "Unknown" },
      { type: "WorkloadsUpdated", status: "Unknown" },
      { type: "Degraded", status: "False" },
    ]);
    const live = { ...LIVE, status: first };
    expect(nextStatus(live, findings, Date.UTC(2026, 0, 2))).toBeUndefined();
    const changed = { ...findings, conditions: { ...findings.conditions, Ready: no("Refused", "second") } };
    expect(nextStatus(live, changed, Date.UTC(2026, 0, 2))?.["conditions"]).toMatchObject([
      { message: "second", lastTransitionTime: "2026-01-01T00:00:00Z" },
      {},
      {},
      {},
      {},
    ]);
    const well = { ...findings, conditions: { ...findings.conditions, Ready: yes("Deployed", "all") } };
    const next = nextStatus(live, well, Date.UTC(2026, 0, 2));
    expect(next?.["conditions"]).toMatchObject([{ lastTransitionTime: "2026-01-02T00:00:00Z" }, {}, {}, {}, {}]);
    expect(next).not.toHaveProperty("reason");
  });

  it("cuts no character in two", () => {
    const long = {
      ...findings,
      conditions: { ...findings.conditions, Ready: no("Refused", `${"x".repeat(999)}😀😀`) },
    };
    expect(nextStatus(LIVE, long, 0)?.["reason"]).toBe(`${"x".repeat(999)}…`);
  });

  it("shows what went wrong first, and no more than anybody reads", () => {
    const good = Array.from({ length: 80 }, (_, index) => ({ name: `a${index}`, state: "Succeeded" as const }));
    const bad = { name: "z", state: "Failed" as const, reason: "x".repeat(5000) };
    const status = nextStatus(LIVE, { ...findings, workloads: [...good, bad] }, 0);
    expect(status).toMatchObject({ ready: "80/81", counts: { matched: 81, succeeded: 80, failed: 1, pending: 0 } });
    const shown = status?.["workloads"] as Record<string, { reason?: string }>;
    expect(Object.keys(shown)).toHaveLength(50);
    expect(Object.keys(shown)[0]).toBe("z");
    expect(shown["z"]?.reason).toHaveLength(1001);
  });
});

describe("advice", () => {
  it("says flags of the command line as fields of the object", () => {
    const error = new WasmeError("usage", "X", "cannot be used with --via wasmplugin and --delivery", {
      hint: "deploy with --delivery cache-http, or without --pull-secret",
    });
    expect(adviceOf(error)).toBe(
      "cannot be used with spec.deployment.istio.via: wasmplugin and spec.deployment.istio.delivery; deploy with spec.deployment.istio.delivery: cache-http, or without spec.filter.imagePullOptions.pullSecret",
    );
    expect(adviceOf(new WasmeError("failed", "X", "broken", { hint: "run the same command again" }))).toBe("broken");
  });

  it.each([
    ["check it: wasme check IMAGE --config TEXT or --config @FILE", "check it: spec.filter.config"],
    ["name one: wasme check IMAGE --root-id ID", "name one: spec.filter.rootID"],
    ["pass --config TEXT or --config @FILE; --no-check does without", "write spec.filter.config"],
    ["its schema: S; --no-check hands it over all the same", "its schema: S"],
    [`pass --config '{"key":"value"}', or else`, `write spec.filter.config: {"key":"value"}, or else`],
    [
      "a private repository may need wasme login",
      "a private repository may need spec.filter.imagePullOptions.pullSecret",
    ],
    [
      "wasme login ghcr.io, or check that the repository exists",
      "name a Secret with an account in spec.filter.imagePullOptions.pullSecret, or check that the repository exists",
    ],
    [
      "the account was refused; to log in as another: wasme login localhost:5000",
      "the account was refused; correct it, or name a Secret with another in spec.filter.imagePullOptions.pullSecret",
    ],
    [
      "wasme login h, or remove them there to go on without (wasme logout h)",
      "name a Secret with an account in spec.filter.imagePullOptions.pullSecret, or remove them there to go on without",
    ],
  ])("says what only the command line has, %j, by what an object has", (hint, said) => {
    expect(adviceOf(new WasmeError("failed", "X", "broken", { hint }))).toBe(`broken; ${said}`);
  });

  it("advises in the log what the condition does", () => {
    const cause = new Error("connect ECONNREFUSED");
    const details = { host: "h" };
    const error = new WasmeError("failed", "X", "broken", {
      hint: "deploy with --delivery cache-http",
      details,
      cause,
    });
    const logged = inObjectWords(error);
    expect(logged).toMatchObject({ kind: "failed", code: "X", hint: undefined, details, cause });
    expect(logged.message).toBe("broken; deploy with spec.deployment.istio.delivery: cache-http");
    expect(inObjectWords(new WasmeError("failed", "X", "broken", { hint: "try again later" })).message).toBe("broken");
  });
});
