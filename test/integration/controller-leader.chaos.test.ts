import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClusterClient } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { type Child, startChild } from "../components/child.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";

const cluster = await component("cluster", sharedCluster);
const WORKER = fileURLToPath(new URL("../support/lead-worker.mjs", import.meta.url));
/** Rounds; more by hand. */
const ROUNDS = Number(process.env["WASME_CHAOS_ROUNDS"] ?? 4);
const HOW = ["kill", "term", "stop", "steal"] as const;
/** What a leader says in the end, when it can. */
const LAST_WORDS = { kill: /./u, term: /^done$/mu, stop: /^ends LEADER_LOST$/mu, steal: /^ends LEADER_LOST$/mu };

interface Candidate {
  readonly identity: string;
  readonly child: Child;
}

describe.skipIf("skip" in cluster)("leader election of processes on a real API server", () => {
  let client: ClusterClient;
  let namespace: string;
  let file: string;
  const all: Candidate[] = [];

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    namespace = await client.namespace("leader");
    await client.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "written", namespace } });
    file = await client.tokenFor(
      [
        { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "patch"] },
        { apiGroups: [""], resources: ["configmaps"], verbs: ["patch"] },
      ],
      namespace,
    );
  });
  afterAll(() => Promise.all(all.map(({ child }) => child.stop())));

  const start = async (): Promise<void> => {
    const identity = `process-${all.length}`;
    all.push({ identity, child: await startChild(process.execPath, [WORKER, file, namespace, identity]) });
  };
  const alive = (): Candidate[] => all.filter(({ child }) => child.ended() === undefined);
  const writesOf = ({ child }: Candidate): bigint[] =>
    [...child.log().matchAll(/^write (\d+)$/gmu)].map(([, at = "0"]) => BigInt(at));
  /** Somebody new writes. */
  const nextLeader = (than: Candidate | undefined): Promise<Candidate> =>
    waitFor(
      "a leader",
      () => alive().find((one) => one !== than && writesOf(one).length > 3 && one.child.log().includes("leads")),
      {
        deadlineMs: 60_000,
        detail: () => all.map(({ identity, child }) => `${identity}: ${child.log().slice(-600)}`).join("\n"),
      },
    );
  const pid = (child: Child): number => child.pid;

  it("has one writer at a time, whatever happens to it, and a new one soon", async () => {
    for (let count = 0; count < 3; count += 1) await start();
    let leader = await nextLeader(undefined);
    for (let round = 0; round < ROUNDS; round += 1) {
      const how = HOW[round % HOW.length] ?? "kill";
      const old = leader;
      if (old.child.ended() !== undefined) {
        // A machine that is busy enough makes a leader late all by itself.
        leader = await nextLeader(old);
        continue;
      }
      if (how === "kill") process.kill(pid(old.child), "SIGKILL");
      else if (how === "term") process.kill(pid(old.child), "SIGTERM");
      else if (how === "stop") process.kill(pid(old.child), "SIGSTOP");
      else {
        const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/leader`;
        await client.request("PATCH", path, { spec: { holderIdentity: "a-stranger" } }, "application/merge-patch+json");
      }
      leader = await nextLeader(old);
      if (how === "stop") process.kill(pid(old.child), "SIGCONT");
      await waitFor("the end of the old one", () => old.child.ended());
      const last = old.child.log();
      expect(last).toMatch(LAST_WORDS[how]);
      await start();
    }
    for (const { child } of alive()) await child.stop();
    // Times of writing, all together: each process has one stretch that nobody else writes in.
    const writes = all.flatMap((one) => writesOf(one).map((at) => ({ at, by: one.identity })));
    const inOrder = writes.toSorted((one, other) => (one.at < other.at ? -1 : 1)).map(({ by }) => by);
    const stretches = inOrder.filter((by, index) => by !== inOrder[index - 1]);
    expect(stretches.length).toBeGreaterThan(ROUNDS);
    expect(new Set(stretches).size).toBe(stretches.length);
  }, 240_000);
});
