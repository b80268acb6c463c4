import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { workload } from "./deploy-support.ts";
import {
  conditionsOf,
  filterDeployment,
  type ImageRegistry,
  installKinds,
  type LiveFilterDeployment,
  PLUGINS,
  type PushedImage,
  type Reporter,
  type Shape,
  startImages,
  startOperator,
  startReporter,
  type TestOperator,
  tracesIn,
  WASME,
} from "./operator-support.ts";

const cluster = await component("cluster", () => startCluster());
const registry = await component("registry", () => startImages());

describe.skipIf("skip" in cluster || "skip" in registry)("the operator", () => {
  let client: Cluster;
  let images: ImageRegistry;
  let reporter: Reporter;
  let operator: TestOperator;
  let v1: PushedImage;
  let namespace: string;

  beforeAll(async () => {
    if (!("ready" in cluster) || !("ready" in registry)) return;
    client = cluster.ready;
    images = registry.ready;
    v1 = await images.push("team/hello:v1", "one");
    await installKinds(client);
    reporter = startReporter(client);
    operator = await startOperator(client.kubeconfigPath);
  }, 60_000);
  afterAll(async () => {
    await operator?.stop();
    await reporter?.stop();
    if ("ready" in registry) await registry.ready.stop();
    if ("ready" in cluster) await cluster.ready.stop();
  });
  beforeEach(async () => {
    namespace = await client.namespace("op");
  });

  const path = (name = "hello"): string => `/apis/${WASME}/namespaces/${namespace}/filterdeployments/${name}`;
  const apply = async (image: string, shape: Shape = {}): Promise<void> => {
    await client.apply(filterDeployment(namespace, image, shape));
  };
  const until = async (
    what: string,
    ready: (object: LiveFilterDeployment) => boolean,
    name = "hello",
  ): Promise<LiveFilterDeployment> => {
    try {
      return await client.eventually<LiveFilterDeployment>(path(name), ready, 20_000);
    } catch (error) {
      throw new Error(`${what}\n${operator.log.text()}`, { cause: error });
    }
  };
  const gone = async (name = "hello"): Promise<void> => {
    const probe = async (): Promise<true | undefined> =>
      (await client.request("GET", path(name))).status === 404 ? true : undefined;
    await waitFor("the object to go", probe, { detail: () => operator.log.text() });
  };
  const isReady = (object: LiveFilterDeployment): boolean =>
    object.status?.observedGeneration === object.metadata.generation &&
    conditionsOf(object)["Ready"] === "True Deployed";

  it("brings a filter about and takes it away again", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference);
    const object = await until("deployed", isReady);
    expect(object.status).toMatchObject({ ready: "1/1", image: v1.pinned, moduleDigest: v1.moduleDigest });
    expect(conditionsOf(object)).toEqual({
      Ready: "True Deployed",
      ImageVerified: "True Verified",
      CacheReady: "True NodesReady",
      WorkloadsUpdated: "True AllUpdated",
      Degraded: "False AsWanted",
    });
    const plugin = await client.eventually<{ spec: { sha256: string }; metadata: { ownerReferences: unknown[] } }>(
      `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins/web-hello`,
      () => true,
    );
    expect(`sha256:${plugin.spec.sha256}`).toBe(v1.moduleDigest);
    expect(plugin.metadata.ownerReferences).toHaveLength(1);
    await client.request("DELETE", path());
    await gone();
    expect(await tracesIn(client, namespace)).toEqual([]);
  });
});
