import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { workload } from "./deploy-support.ts";
import {
  CACHE,
  conditionsOf,
  filterDeployment,
  forbidDeletion,
  type ImageRegistry,
  installKinds,
  ISTIO,
  type LiveFilterDeployment,
  messageOf,
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

  const plugins = async (): Promise<readonly string[]> => {
    const { body } = await client.request<{ items: { metadata: { name: string } }[] }>(
      "GET",
      `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins`,
    );
    return body.items.map(({ metadata }) => metadata.name).toSorted();
  };
  const pluginsToBe = async (...names: readonly string[]): Promise<void> => {
    let seen: readonly string[] = [];
    const probe = async (): Promise<true | undefined> => {
      seen = await plugins();
      return JSON.stringify(seen) === JSON.stringify(names) ? true : undefined;
    };
    await waitFor(`the plugins ${names.join(", ")}`, probe, {
      detail: () => `${seen.join(", ")}\n${operator.log.text()}`,
    });
  };
  const remove = async (name = "hello"): Promise<void> => {
    await client.request("DELETE", path(name));
    await gone(name);
  };
  const patch = async (target: string, body: object): Promise<void> => {
    const { status, body: answer } = await client.request("PATCH", target, body, "application/merge-patch+json");
    if (status !== 200) throw new Error(`${target}: ${status} ${JSON.stringify(answer)}`);
  };
  const deployments = (name: string): string => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
  const plugin = (name: string): string => `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins/${name}`;
  const isReason = (reason: string) => (object: LiveFilterDeployment) =>
    object.status?.observedGeneration === object.metadata.generation &&
    conditionsOf(object)["Ready"]?.endsWith(` ${reason}`) === true;

  it("updates to another image and configuration, and drops the old module", async () => {
    const tag = `team/${namespace}:v1`;
    const first = await images.push(tag, `${namespace} first`);
    await client.apply(workload(namespace));
    await apply(first.reference, { filter: { config: "one" }, istio: { via: "auto" } });
    await until("first", isReady);
    const second = await images.push(`team/${namespace}:v2`, `${namespace} second`);
    await apply(second.reference, { filter: { config: { a: 1 } } });
    const object = await until("second", (live) => isReady(live) && live.status?.image === second.pinned);
    expect(object.status?.moduleDigest).toBe(second.moduleDigest);
    expect(await tracesIn(client, namespace)).toEqual(["wasmplugins/web-hello", second.key]);
    // The tag is pushed anew: the operator looks it up again by itself.
    const third = await images.push(`team/${namespace}:v2`, `${namespace} third`);
    await until("third", (live) => isReady(live) && live.status?.image === third.pinned);
    await remove();
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("refuses a module that does not start, and leaves the old one where it is", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference);
    await until("deployed", isReady);
    const bad = await images.push(`team/bad:v1`, "", Buffer.from("0061736d01000000", "hex"));
    await apply(bad.reference);
    const object = await until("refused", isReason("ModuleRefused"));
    expect(conditionsOf(object)).toMatchObject({
      Ready: "False ModuleRefused",
      ImageVerified: "False ModuleRefused",
      Degraded: "True OldFilterStays",
    });
    const old = { state: "Pending", reason: "keeps the filter as it was deployed before" };
    expect(object.status?.workloads).toEqual({ web: old });
    const live = await client.eventually<{ spec: { sha256: string } }>(plugin("web-hello"), () => true);
    expect(`sha256:${live.spec.sha256}`).toBe(v1.moduleDigest);
    await apply(`${images.host}/team/nothing:v1`);
    expect(messageOf(await until("not found", isReason("ImageNotFound")))).toContain("the registry has no image");
    await apply(v1.reference);
    await until("well again", isReady);
    await remove();
  });

  it("tells what is wrong with an object, and works on for the others", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference, { name: "odd", filter: { id: "odd", patchContext: "inbond", image: 5 } });
    await apply(v1.reference);
    const odd = await until("odd", isReason("InvalidSpec"), "odd");
    expect(messageOf(odd)).toContain("spec.filter.image must be a string, not 5");
    expect(messageOf(odd)).toContain("did you mean inbound?");
    expect(odd.metadata.finalizers).toBeUndefined();
    await until("the other", isReady);
    await remove("odd");
    await remove();
    // Nothing holds an object that nothing was made for: its events go after it.
    await waitFor("no traces", async () => ((await tracesIn(client, namespace)).length === 0 ? true : undefined));
  });

  it("works on for the others while a registry does not answer", async () => {
    let asked = 0;
    const silent = createServer((socket) => {
      asked += 1;
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const names = Array.from({ length: 8 }, (_, index) => `hung-${index}`);
    for (const [index, name] of names.entries()) {
      await apply(`127.0.0.1:${port}/team/${name}:v${index}`, { name, filter: { id: name } });
    }
    await waitFor("the registry to be asked by more than there are workers", () => (asked > 4 ? true : undefined));
    await client.apply(workload(namespace));
    await apply(v1.reference);
    await until("deployed", isReady);
    await client.request("DELETE", path());
    await gone();
    for (const name of names) {
      const { body } = await client.request<LiveFilterDeployment>("GET", path(name));
      expect(body.status).toBeUndefined();
      await client.request("DELETE", path(name));
    }
    silent.close();
  });

  it("keeps in place what no registry can tell of any more, also after a restart", async () => {
    const other = await startImages();
    const image = await other.push("team/other:v1", "other");
    await client.apply(workload(namespace));
    await apply(image.reference);
    await until("deployed", isReady);
    await operator.stop();
    await other.stop();
    operator = await startOperator(client.kubeconfigPath);
    await client.request("DELETE", `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins/web-hello`);
    await pluginsToBe("web-hello");
    const object = await until("told", (one) => /could not be asked/u.test(messageOf(one, "ImageVerified")));
    expect(isReady(object)).toBe(true);
    expect(object.status?.image).toBe(image.pinned);
    // Another configuration was never found good.
    await apply(image.reference, { filter: { config: { other: true } } });
    await until("away", (one) => conditionsOf(one)["ImageVerified"] === "False RegistryUnreachable");
    await pluginsToBe("web-hello");
    await client.request("DELETE", path());
    await gone();
  });

  it("follows workloads that come, change their labels and go", async () => {
    // Pinned: nothing but the change itself makes the operator look.
    await apply(v1.pinned, { istio: { labels: { team: "a" } } });
    await until("nothing yet", isReason("NoWorkloads"));
    await client.apply(workload(namespace, { labels: { team: "a" } }));
    await until("came", isReady);
    await client.apply(workload(namespace, { name: "api", labels: { team: "a" } }));
    await pluginsToBe("api-hello", "web-hello");
    await patch(deployments("web"), { metadata: { labels: { team: "b" } } });
    await pluginsToBe("api-hello");
    await patch(deployments("web"), { metadata: { labels: { team: "a" } } });
    await pluginsToBe("api-hello", "web-hello");
    await client.request("DELETE", deployments("api"));
    await pluginsToBe("web-hello");
    expect((await until("one", (object) => object.status?.ready === "1/1")).status?.workloads).toEqual({
      web: { state: "Succeeded" },
    });
    await client.request("DELETE", deployments("web"));
    await pluginsToBe();
    await until("none left", isReason("NoWorkloads"));
    await remove();
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("puts back whatever somebody changes or deletes", async () => {
    await client.apply(workload(namespace));
    await apply(v1.pinned);
    await until("deployed", isReady);
    const before = await client.request<{ spec: object }>("GET", plugin("web-hello"));
    await patch(plugin("web-hello"), { spec: { priority: 99, selector: { matchLabels: { app: "other" } } } });
    const same = (object: { spec: object }): boolean =>
      JSON.stringify(object.spec) === JSON.stringify(before.body.spec);
    await client.eventually(plugin("web-hello"), same);
    await patch(plugin("web-hello"), { metadata: { labels: null, ownerReferences: null } });
    await client.eventually<{ metadata: { ownerReferences?: unknown[]; labels?: object } }>(
      plugin("web-hello"),
      ({ metadata }) => metadata.ownerReferences?.length === 1 && Object.keys(metadata.labels ?? {}).length > 3,
    );
    for (const _ of ["once", "twice", "again"]) {
      const { body } = await client.request<{ metadata: { uid: string } }>("GET", plugin("web-hello"));
      await client.request("DELETE", plugin("web-hello"));
      await client.eventually<{ spec: object; metadata: { uid: string } }>(
        plugin("web-hello"),
        (object) => same(object) && object.metadata.uid !== body.metadata.uid,
      );
    }
    const list = "/api/v1/namespaces/wasme/configmaps/wasme-cache";
    await patch(list, { data: { [v1.key]: null } });
    await client.eventually<{ data?: Record<string, string> }>(list, ({ data }) => data?.[v1.key] === v1.pinned);
    expect(await tracesIn(client, namespace)).toEqual(["wasmplugins/web-hello", v1.key]);
    await remove();
  });

  it("lists a digest once that two name from two repositories", async () => {
    const mirrored = await images.push("mirror/hello:v1", "one");
    expect(mirrored.key).toBe(v1.key);
    interface List {
      readonly metadata: { readonly resourceVersion: string };
      readonly data?: Readonly<Record<string, string>>;
    }
    const list = async (): Promise<List> =>
      (await client.request<List>("GET", `/api/v1/namespaces/${CACHE.namespace}/configmaps/${CACHE.name}`)).body;
    await client.apply(workload(namespace));
    await apply(v1.reference);
    await until("deployed", isReady);
    await apply(mirrored.reference, { name: "other", filter: { id: "other" } });
    await until("deployed, too", isReady, "other");
    // Two that take turns write it dozens of times a second.
    await waitFor("rest", async () => {
      const before = (await list()).metadata.resourceVersion;
      await sleep(300);
      return (await list()).metadata.resourceVersion === before ? true : undefined;
    });
    expect((await list()).data?.[v1.key]).toBe(v1.pinned);
    await remove();
    await waitFor("the other's own", async () =>
      (await list()).data?.[v1.key] === mirrored.pinned ? true : undefined,
    );
    await remove("other");
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("gives an id to the older of two, and to the younger when the older goes", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference, { name: "older" });
    await until("older", isReady, "older");
    await new Promise((resolve) => setTimeout(resolve, 1100)); // creation times have whole seconds
    await apply(v1.reference, { name: "younger", filter: { config: { a: "y" } } });
    const younger = await until("taken", isReason("IdTaken"), "younger");
    expect(messageOf(younger)).toContain("FilterDeployment older has the filter id hello");
    expect(younger.status?.image).toBeUndefined();
    await remove("older");
    await until("given", isReady, "younger");
    await pluginsToBe("web-hello");
    await apply(v1.reference, { name: "other", filter: { id: "two" } });
    await until("two filters", isReady, "other");
    await pluginsToBe("web-hello", "web-two");
    await remove("younger");
    await pluginsToBe("web-two");
    await remove("other");
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("lets the older one take an id over, without ever having two owners", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference, { name: "older", filter: { id: "first" } });
    await until("older", isReady, "older");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await apply(v1.reference, { name: "younger" });
    await until("younger", isReady, "younger");
    await apply(v1.reference, { name: "older" });
    await until("older has it", isReady, "older");
    await until("younger lost it", isReason("IdTaken"), "younger");
    await pluginsToBe("web-hello");
    await remove("older");
    await until("younger has it again", isReady, "younger");
    await remove("younger");
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("gives up an id that another one wants, although it gets no further itself", async () => {
    await client.apply(workload(namespace));
    await apply(v1.reference, { name: "first" });
    await until("first", isReady, "first");
    await apply(`${images.host}/team/nothing:v1`, { name: "first", filter: { id: "renamed" } });
    await until("not found", isReason("ImageNotFound"), "first");
    // Nobody wants the old id yet: the filter stays.
    await pluginsToBe("web-hello");
    await apply(v1.reference, { name: "other" });
    await until("it is the other one's", isReady, "other");
    await pluginsToBe("web-hello");
    await remove("first");
    await pluginsToBe("web-hello");
    await remove("other");
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("cleans up after another id, another kind of object and another kind of workload", async () => {
    await client.apply([workload(namespace), workload(namespace, { name: "web", kind: "StatefulSet" })]);
    await apply(v1.reference);
    await until("first", isReady);
    await apply(v1.reference, { filter: { id: "renamed" } });
    await until("renamed", isReady);
    await pluginsToBe("web-renamed");
    await apply(v1.reference, { istio: { via: "envoyfilter", delivery: "cache-http" } });
    await until("by EnvoyFilter", isReady);
    expect(await tracesIn(client, namespace)).toEqual(["envoyfilters/web-hello", v1.key]);
    await apply(v1.reference, { istio: { kind: "StatefulSet" } });
    await until("on the StatefulSet", isReady);
    expect(await tracesIn(client, namespace)).toEqual(["wasmplugins/web-hello", v1.key]);
    const live = await client.eventually<{ metadata: { labels: Record<string, string> } }>(
      plugin("web-hello"),
      () => true,
    );
    expect(live.metadata.labels["wasme.io/workload-kind"]).toBe("statefulset");
    await remove();
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("mounts files, waits for the roll-out without holding up others, and leaves nothing of it", async () => {
    const own = { "sidecar.istio.io/userVolume": '[{"name":"mine","emptyDir":{}}]' };
    await client.apply([
      workload(namespace, { annotations: own }),
      workload(namespace, {
        name: "stuck",
        labels: { app: "stuck" },
        annotations: { "wasme.test/fail": "ImagePullBackOff" },
      }),
    ]);
    const files = { via: "envoyfilter", delivery: "cache-file" };
    // Pinned: nothing but the change itself makes the operator look.
    await apply(v1.pinned, { istio: files });
    await apply(v1.reference, {
      name: "stuck",
      filter: { id: "stuck" },
      istio: { ...files, labels: { app: "stuck" } },
    });
    await until("deployed", isReady);
    await until("waits", isReason("WaitingForRollout"), "stuck");
    expect(await tracesIn(client, namespace)).toEqual([
      "envoyfilters/web-hello",
      "mount in stuck",
      "mount in web",
      v1.key,
    ]);
    const filter = `/apis/${ISTIO}/namespaces/${namespace}/envoyfilters/web-hello`;
    interface Filter {
      readonly metadata: { readonly uid: string };
      readonly spec: object;
    }
    const { body: made } = await client.request<Filter>("GET", filter);
    const isBack = ({ spec }: Filter): boolean => JSON.stringify(spec) === JSON.stringify(made.spec);
    await patch(filter, { spec: { configPatches: [] } });
    await client.eventually(filter, isBack);
    await client.request("DELETE", filter);
    await client.eventually<Filter>(filter, (object) => isBack(object) && object.metadata.uid !== made.metadata.uid);
    // Somebody writes the workload anew, without what was mounted.
    const bare = { ...own, "sidecar.istio.io/userVolumeMount": null };
    await patch(deployments("web"), { spec: { template: { metadata: { annotations: bare } } } });
    await waitFor(
      "the mount to be back",
      async () => ((await tracesIn(client, namespace)).includes("mount in web") ? true : undefined),
      { detail: () => operator.log.text() },
    );
    await until("deployed again", isReady);
    // The one that waits looks elsewhere now: what it mounted is told of by no object.
    await apply(v1.reference, {
      name: "stuck",
      filter: { id: "stuck" },
      istio: { ...files, labels: { app: "nothing" } },
    });
    await until("looks elsewhere", isReason("NoWorkloads"), "stuck");
    const unmounted = async (): Promise<true | undefined> =>
      (await tracesIn(client, namespace)).includes("mount in stuck") ? undefined : true;
    await waitFor("its mount to go", unmounted, {
      detail: () => operator.log.text(),
    });
    await remove("stuck");
    await remove();
    expect(await tracesIn(client, namespace)).toEqual([]);
    const web = await client.eventually<{ spec: { template: { metadata: { annotations?: object } } } }>(
      deployments("web"),
      () => true,
    );
    expect(web.spec.template.metadata.annotations).toEqual(own);
  });

  it("goes although somebody broke the annotations of a workload", async () => {
    await client.apply([workload(namespace), workload(namespace, { name: "api", labels: { app: "web" } })]);
    await apply(v1.reference, { istio: { via: "envoyfilter", delivery: "cache-file" } });
    await until("deployed", isReady);
    const annotations = { "sidecar.istio.io/userVolume": "[{oops" };
    await patch(deployments("web"), { spec: { template: { metadata: { annotations } } } });
    await until("refused for one", isReason("SomeFailed"));
    await remove();
    expect(await tracesIn(client, namespace)).toEqual(["mount in web"]);
    expect(operator.log.text()).toContain("whether web has volumes of ours cannot be seen");
  });

  it("says what keeps it from going, and goes once that is over", async () => {
    await client.apply(workload(namespace));
    await apply(v1.pinned);
    await until("deployed", isReady);
    const release = await forbidDeletion(client, namespace, plugin("web-hello"));
    await client.request("DELETE", path());
    const object = await until("cannot go", isReason("CannotRemove"));
    expect(messageOf(object)).toContain("nothing is deleted here");
    expect(conditionsOf(object)["Degraded"]).toBe("True OldFilterStays");
    await release();
    await gone();
    expect(await tracesIn(client, namespace)).toEqual([]);
  });

  it("goes when the operator was down, when it never got ready and when the namespace goes", async () => {
    await client.apply(workload(namespace));
    const lonely = await images.push(`team/${namespace}:v1`, namespace);
    reporter.reports = false;
    await apply(lonely.reference);
    await until("waits for the nodes", isReason("WaitingForNodes"));
    expect(await tracesIn(client, namespace)).toEqual([lonely.key]);
    await remove();
    expect(await tracesIn(client, namespace)).toEqual([]);
    reporter.reports = true;
    await apply(lonely.reference);
    await until("deployed", isReady);
    await operator.stop();
    await client.request("DELETE", path());
    await client.request("DELETE", deployments("web"));
    await waitFor("the workload to go", async () =>
      (await client.request("GET", deployments("web"))).status === 404 ? true : undefined,
    );
    expect((await client.request("GET", path())).status).toBe(200);
    operator = await startOperator(client.kubeconfigPath);
    await gone();
    expect(await tracesIn(client, namespace)).toEqual([]);
    await client.apply(workload(namespace));
    await apply(lonely.reference);
    await until("deployed again", isReady);
    await client.request("DELETE", `/api/v1/namespaces/${namespace}`);
    await gone();
    await waitFor("the namespace to go", async () =>
      (await client.request("GET", `/api/v1/namespaces/${namespace}`)).status === 404 ? true : undefined,
    );
    expect(await tracesIn(client, namespace)).toEqual([]);
  });
});
