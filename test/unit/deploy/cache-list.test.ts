import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isListed, noticesOn } from "../../../src/deploy/cache-list.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { act, type Deed, finish, LIST, listedIn, NAMESPACES, neededIn, start } from "./list-bench.ts";

const deed = (namespace: string): fc.Arbitrary<Deed> =>
  fc.record({ namespace: fc.constant(namespace), does: fc.constantFrom("v1", "v2", "registry", "undeploy") });
const before = fc.tuple(...NAMESPACES.map((namespace) => deed(namespace)));

describe("the list that deploys and undeploys share", () => {
  it("has what objects name at every moment, and nothing else in the end, in whatever order their requests come", async () => {
    const lives = fc.option(fc.nat(60), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), before, before, fc.tuple(lives, lives), async (s, first, then, dies) => {
        const cluster = await start();
        for (const one of first) await finish(cluster, one);
        const missing: string[] = [];
        cluster.onWrite = () => {
          const listed = listedIn(cluster);
          missing.push(...neededIn(cluster).filter((key) => !listed.includes(key)));
        };
        const runs = then.map(async (one, at) => {
          let left = dies[at] ?? Number.POSITIVE_INFINITY;
          const turn = async (): Promise<void> => {
            await s.schedule(Promise.resolve(), one.namespace);
            if ((left -= 1) < 0) throw new Error("killed");
          };
          await act(cluster.port(turn), one).catch(() => undefined);
        });
        await s.waitFor(Promise.all(runs));
        expect(missing).toEqual([]);
        // Whoever was killed, or refused, does the same again.
        for (const one of then) await finish(cluster, one);
        expect(missing).toEqual([]);
        expect(listedIn(cluster)).toEqual(neededIn(cluster));
        const list = cluster.find(LIST);
        expect([...noticesOn(list, "coming"), ...noticesOn(list, "going")]).toEqual([]);
        // The cache is there as long as anything needs it, and no longer.
        const caches = [list, ...cluster.all(Kinds.daemonSet)].filter((one) => one !== undefined);
        expect(caches.length).toBe(neededIn(cluster).length === 0 ? 0 : 2);
      }),
      { numRuns: Number(process.env["WASME_TEST_RUNS"] ?? 100) },
    );
  });
});

describe("an entry", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const list = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { k: `h:5000/r:v1@${digest}` } };

  it.each([
    ["k", `h:5000/r:v1@${digest}`, true],
    ["k", `h:5000/r:latest@${digest}`, true],
    ["k", `h:5000/r@${digest}`, true],
    ["k", `h:6000/r:v1@${digest}`, false],
    ["k", `h:5000/other:v1@${digest}`, false],
    ["other", `h:5000/r:v1@${digest}`, false],
  ])("%s: %s is listed: %s", (key, value, listed) => {
    expect(isListed(list, { key, value })).toBe(listed);
  });
});
