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
  const told: [boolean, number][] = [];
  const view = createKindView(
    { port, clock, log: silentLog },
    { kind: Kinds.configMap, onServed: (is) => told.push([is, view.list().length]) },
  );
  const running = view.run(end.signal);
  await clock.advance(10_000);
  served = true;
  await clock.advance(10_000);
  expect(told).toEqual([
    [false, 0],
    [true, 2],
  ]);
  end.abort();
  await running;
});
