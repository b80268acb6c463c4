import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DELIVERIES, type Delivery } from "../../src/domain/delivery.ts";
import { formatReference } from "../../src/domain/image-reference.ts";
import { type Via, VIAS } from "../../src/deploy/request.ts";
import { clusterProgram } from "../cluster/build.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { component } from "../components/require-component.ts";
import { registryPath } from "../components/registry-kinds.ts";
import { waitFor } from "../components/wait.ts";
import type { JudgedObject } from "../judge/start.ts";
import { openBench, workload } from "./deploy-support.ts";
import {
  conditionsOf,
  filterDeployment,
  type LiveFilterDeployment,
  messageOf,
  tracesIn,
  WASME,
} from "./operator-support.ts";
import { openVersions, type Versions } from "./window-chaos.ts";
import { installCache, openWindow, runCaches, runOperator, type Window } from "./window-support.ts";

const program = await component("cluster", clusterProgram);
const registry = await component("registry", registryPath);

interface Way {
  readonly via: Via;
  readonly delivery: Delivery;
}

/** An EnvoyFilter that names a file has the port shut where it is missing: images are not mounted for it. */
const REFUSED: Way = { via: "envoyfilter", delivery: "image-volume" };
const WAYS: readonly Way[] = VIAS.flatMap((via) => DELIVERIES.map((delivery) => ({ via, delivery }))).filter(
  ({ via, delivery }) => via !== REFUSED.via || delivery !== REFUSED.delivery,
);
const PODS = 2;
const API: Readonly<Record<Via, string>> = {
  envoyfilter: "/apis/networking.istio.io/v1alpha3",
  wasmplugin: "/apis/extensions.istio.io/v1alpha1",
  trafficextension: "/apis/extensions.istio.io/v1alpha1",
};

/** Real caches with their own accounts, a real registry, real API server; who says that proxies are served is the judge. */
describe.skipIf("skip" in program || "skip" in registry)("the whole life of a filter", () => {
  let window: Window;
  let caches: PodPrograms;
  let operator: PodPrograms | undefined;
  let versions: Versions;

  beforeAll(async () => {
    versions = await openVersions("compat");
    window = await openWindow({ files: true, judge: { pushDelayMs: 100 } });
    caches = await runCaches(window);
    await installCache(window);
  });
  afterAll(async () => {
    await operator?.stop();
    await caches?.stop();
    await window?.stop();
    await versions?.stop();
  });

  const served = async (way: Way, namespace: string): Promise<void> => {
    const path = `${API[way.via]}/namespaces/${namespace}/${way.via}s/web-hello`;
    const object = await window.cluster.eventually<JudgedObject>(path, () => true);
    await window.judge.heard(object, PODS, 120_000);
    const { refused, refusals } = await window.judge.report(namespace);
    expect({ way, refused, refusals }).toEqual({ way, refused: 0, refusals: [] });
  };
  const nothingLeft = async (namespaces: readonly string[]): Promise<void> => {
    let traces: readonly string[] = [];
    const probe = async (): Promise<true | undefined> => {
      traces = (await Promise.all(namespaces.map((namespace) => tracesIn(window.cluster, namespace)))).flat();
      return traces.length === 0 ? true : undefined;
    };
    // Of several that go at once the last one takes their common entry, and whoever goes does not wait for it.
    await waitFor("no traces", probe, { detail: () => traces.join(", ") });
  };

  it(`by deploy and undeploy, in ${WAYS.length} ways side by side`, async () => {
    const { cluster, cache } = window;
    const benches = await Promise.all(
      WAYS.map(async (way, index) => {
        const [first, second] = await Promise.all([versions.image(100 + index), versions.image(200 + index)]);
        const bench = await openBench(cluster, "life");
        await cluster.apply(workload(bench.namespace, { replicas: PODS }));
        const request = { ...way, check: false, cache: { ...cache, timeoutMs: 120_000 }, timeoutMs: 120_000 };
        await bench.deploy(request, first);
        await served(way, bench.namespace);
        await bench.deploy(request, second);
        await served(way, bench.namespace);
        return bench;
      }),
    );
    await Promise.all(benches.map((bench) => bench.undeploy({ timeoutMs: 120_000 })));
    await nothingLeft(benches.map(({ namespace }) => namespace));
    const bench = await openBench(cluster, "refused");
    await cluster.apply(workload(bench.namespace));
    const refused = bench.deploy({ ...REFUSED, check: false, cache: { ...cache, timeoutMs: 1 } });
    await expect(refused).rejects.toMatchObject({ code: "VIA_UNSUITABLE" });
  }, 300_000);

  it(`by a FilterDeployment, in ${WAYS.length} ways side by side`, async () => {
    const { cluster } = window;
    operator = await runOperator(window);
    const [v1, v2] = await Promise.all(
      [1, 2].map(async (number) => formatReference((await versions.image(number)).reference)),
    );
    const log = (): string => operator?.pods()[0]?.log().slice(-4000) ?? "";
    const until = async (
      namespace: string,
      ready: (object: LiveFilterDeployment) => boolean,
    ): Promise<LiveFilterDeployment> =>
      cluster
        .eventually<LiveFilterDeployment>(
          `/apis/${WASME}/namespaces/${namespace}/filterdeployments/hello`,
          ready,
          120_000,
        )
        .catch((error: unknown) => {
          throw new Error(log(), { cause: error });
        });
    const deployed = (object: LiveFilterDeployment): boolean =>
      object.status?.observedGeneration === object.metadata.generation &&
      conditionsOf(object)["Ready"] === "True Deployed";
    const namespaces = await Promise.all(
      WAYS.map(async (way) => {
        const namespace = await cluster.namespace("life");
        await cluster.apply(workload(namespace, { replicas: PODS }));
        for (const image of [v1, v2]) {
          await cluster.apply(filterDeployment(namespace, image ?? "", { istio: way }));
          await until(namespace, deployed);
          await served(way, namespace);
        }
        return namespace;
      }),
    );
    for (const namespace of namespaces) {
      await cluster.request("DELETE", `/apis/${WASME}/namespaces/${namespace}/filterdeployments/hello`);
    }
    await waitFor(
      "all FilterDeployments to go",
      async () => {
        const { body } = await cluster.request<{ items: readonly unknown[] }>(
          "GET",
          `/apis/${WASME}/filterdeployments`,
        );
        return body.items.length === 0 ? true : undefined;
      },
      { deadlineMs: 120_000, detail: log },
    );
    await nothingLeft(namespaces);
    const namespace = await cluster.namespace("refused");
    await cluster.apply([workload(namespace), filterDeployment(namespace, v1 ?? "", { istio: REFUSED })]);
    const object = await until(namespace, ({ status }) => status?.conditions !== undefined);
    expect(conditionsOf(object)["Ready"]).toMatch(/^False /u);
    expect(messageOf(object)).toMatch(/volume|wasmplugin/iu);
  }, 300_000);
});
