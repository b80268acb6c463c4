import { expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort, ObjectPage } from "../../../src/kube/port.ts";
import { createKindView } from "../../../src/operator/kind-view.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { manualClock } from "../../support/manual-clock.ts";

it("tells that a kind is served only when all its objects are there to be seen", async () => {
  const clock = manualClock();
  const end = new AbortController();
  let served = false;
  const page = (name: string): ObjectPage => {
    const metadata = { name, namespace: "n", resourceVersion: "1" };
    return { items: [{ apiVersion: "v1", kind: "ConfigMap", metadata }], resourceVersion: "2" };
  };
  const port: Pick<KubePort, "pages" | "watch"> = {
    pages: async function* () {
      if (!served) throw new WasmeError("not-found", "KUBE_KIND_NOT_SERVED", "no such kind");
      yield page("one");
      yield page("two");
    },
    watch: async function* () {
      await clock.sleep(1e9, end.signal);
      yield* [];
    },
  };
  const told: [boolean, number, boolean][] = [];
  const view = createKindView(
    { port, clock, log: silentLog },
    { kind: Kinds.configMap, onServed: (is) => told.push([is, view.list().length, view.seen("n")]) },
  );
  const running = view.run(end.signal);
  await clock.advance(10_000);
  served = true;
  await clock.advance(10_000);
  expect(told).toEqual([
    [false, 0, true],
    [true, 2, true],
  ]);
  end.abort();
  await running;
});

it("passes over a namespace that is refused later, and none where all are refused", async () => {
  const clock = manualClock();
  const end = new AbortController();
  const allowed = new Set(["shop", "blog"]);
  let cut = new AbortController();
  const port: Pick<KubePort, "pages" | "watch"> = {
    pages: async function* ({ namespace = "" }) {
      if (!allowed.has(namespace)) throw new WasmeError("unauthorised", "KUBE_FORBIDDEN", `not in ${namespace}`);
      yield { items: [], resourceVersion: "2" };
    },
    watch: async function* (_selection, _version, _signal, opened) {
      opened?.();
      await clock.sleep(1e9, AbortSignal.any([end.signal, cut.signal])).catch(() => undefined);
      yield* [];
      throw new WasmeError("failed", "KUBE_GONE", "the version is too old");
    },
  };
  const view = createKindView({ port, clock, log: silentLog }, { kind: Kinds.configMap, namespaces: ["shop", "blog"] });
  const running = view.run(end.signal);
  const refuse = async (namespace: string): Promise<void> => {
    allowed.delete(namespace);
    const old = cut;
    cut = new AbortController();
    old.abort();
    await clock.advance(120_000);
  };
  await clock.advance(1000);
  expect([view.settled, view.trouble]).toEqual([true, undefined]);
  await refuse("blog");
  expect([view.settled, view.trouble, view.passedOver]).toEqual([true, undefined, "not in blog"]);
  allowed.add("blog");
  await clock.advance(60_000);
  expect([view.trouble, view.passedOver]).toEqual([undefined, undefined]);
  // Each time it may be a refusal of the moment.
  allowed.delete("blog");
  cut.abort();
  cut = new AbortController();
  while (![view.trouble, view.passedOver].includes("not in blog")) await clock.advance(1000);
  expect([view.trouble, view.passedOver]).toEqual(["not in blog", undefined]);
  await refuse("shop");
  expect([view.trouble, view.passedOver]).toEqual(["not in shop", undefined]);
  end.abort();
  await running;
});

it("waits no longer for a namespace it is refused, unless there is nothing else, and tells when it is there after all", async () => {
  const clock = manualClock();
  const end = new AbortController();
  const allowed = new Set(["shop"]);
  const port: Pick<KubePort, "pages" | "watch"> = {
    pages: async function* ({ namespace = "" }) {
      if (!allowed.has(namespace))
        throw new WasmeError("unauthorised", "KUBE_FORBIDDEN", `not allowed in ${namespace}`);
      const metadata = { name: "one", namespace, resourceVersion: "1" };
      yield { items: [{ apiVersion: "v1", kind: "ConfigMap", metadata }], resourceVersion: "2" };
    },
    watch: async function* (_selection, _version, _signal, opened) {
      opened?.();
      await clock.sleep(1e9, end.signal);
      yield* [];
    },
  };
  const told: boolean[] = [];
  const open = (namespaces: readonly string[], dispensable = false): ReturnType<typeof createKindView> =>
    createKindView(
      { port, clock, log: silentLog },
      { kind: Kinds.configMap, namespaces, dispensable, onServed: (is) => told.push(is) },
    );
  const [view, alone, spared] = [open(["shop", "blog"]), open(["blog"]), open(["blog"], true)];
  const running = Promise.all([view, alone, spared].map((one) => one.run(end.signal)));
  await clock.advance(9000);
  expect([view.settled, spared.settled]).toEqual([false, false]);
  await clock.advance(2000);
  expect(view.settled).toBe(true);
  expect([view.trouble, view.passedOver]).toEqual([undefined, "not allowed in blog"]);
  expect([view.seen("shop"), view.seen("blog")]).toEqual([true, false]);
  expect([alone.settled, alone.trouble]).toEqual([false, expect.stringContaining("blog")]);
  expect([spared.settled, spared.seen("blog")]).toEqual([true, false]);
  expect([spared.trouble, spared.passedOver]).toEqual([undefined, "not allowed in blog"]);
  allowed.add("blog");
  await clock.advance(120_000);
  expect([view.seen("blog"), alone.settled, spared.seen("blog")]).toEqual([true, true, true]);
  expect(told).toEqual([true, true, true]);
  expect([view.trouble, view.passedOver]).toEqual([undefined, undefined]);
  end.abort();
  await running;
});
