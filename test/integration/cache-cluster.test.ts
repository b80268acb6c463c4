import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { digestOf, digestParts } from "../../src/domain/digest.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { buildCacheObjects, moduleUrl, nodeReportName } from "../../src/mesh/cache-objects.ts";
import { type EntryReport, parseEntryReport } from "../../src/mesh/node-report.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject, PolicyRule } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { writeUsers } from "./hub-support.ts";
import { alice } from "../components/users.ts";
import { testImage, type TestImage } from "../support/fault-image.ts";
import { startHub, type HubServer } from "../support/hub.ts";
import { keyOf, pinned, push, startTestCache, type TestCache, type TestCacheOptions } from "./cache-support.ts";

const cluster = await component("cluster", sharedCluster);
const NAME = "wasme-cache";

describe.skipIf("skip" in cluster)("a node's cache in a cluster", () => {
  let client: ClusterClient;
  let registry: HubServer;

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    registry = await startHub();
  });
  afterAll(() => registry.close());

  /** The rules that are shipped. */
  const shipped = (namespace: string): readonly PolicyRule[] => {
    const objects = buildCacheObjects({ name: NAME, namespace, image: "x", imagePullPolicy: "Never", files: false });
    const role = objects.find(({ kind }) => kind === "Role");
    return (role as unknown as { readonly rules: readonly PolicyRule[] }).rules;
  };

  const open = async (namespace: string, rules = shipped(namespace)): Promise<KubePort> => {
    const file = await client.tokenFor(rules, namespace);
    const deps = { clock: systemClock, events: () => undefined, fieldManager: "wasme-cache" as const };
    const port = await connectCluster(deps, { file, env: {}, cwd: "/" });
    onTestFinished(() => port.close());
    return port;
  };

  const start = async (namespace: string, more: TestCacheOptions = {}): Promise<TestCache> =>
    startTestCache({ cache: { namespace, name: NAME }, port: await open(namespace), speed: 5, ...more });

  const list = async (namespace: string, data: Readonly<Record<string, string | null>>): Promise<void> => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: NAME }, data };
    const made = await client.request("PATCH", `${path}/${NAME}`, { data }, "application/merge-patch+json");
    if (made.status === 404) await client.request("POST", path, body);
  };

  const report = async (
    namespace: string,
    key: string,
    ready: (report: EntryReport) => boolean,
  ): Promise<EntryReport> => {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${nodeReportName({ name: NAME }, "node-1")}`;
    let found: EntryReport | undefined;
    await client.eventually<{ readonly data?: Readonly<Record<string, string>> }>(path, ({ data }) => {
      found = parseEntryReport(data?.[key] ?? "");
      return found !== undefined && ready(found);
    });
    if (found === undefined) throw new Error(`no report of ${key}`);
    return found;
  };

  const listed = async (image: TestImage, name: string): Promise<Record<string, string>> => ({
    [keyOf(image)]: pinned(await push(registry.host, name, image), image),
  });

  /** Who owns the report must be there: the report goes with it. */
  const createPod = async (
    namespace: string,
    name = "cache-abc",
  ): Promise<{ readonly name: string; readonly uid: string }> => {
    const { body } = await client.request<KubeObject>("POST", `/api/v1/namespaces/${namespace}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { containers: [{ name: "cache", image: "cache" }] },
    });
    return { name, uid: String(body.metadata["uid"]) };
  };

  it("follows the list, serves what it names and reports it, with exactly the shipped rules", async () => {
    const namespace = await client.namespace("cache");
    const [one, two] = [testImage(20_000, "one"), testImage(20_000, "two")];
    await list(namespace, await listed(one, "team/one:v1"));
    const pod = await createPod(namespace);
    const cache = await start(namespace, { identity: { node: "node-1", pod } });
    await cache.ready();
    await list(namespace, { ...(await listed(two, "team/two:v1")), "sha256-0": "NOT A REFERENCE" });
    const ready = await report(namespace, keyOf(two), ({ state }) => state === "ready");
    expect(ready).toEqual({
      state: "ready",
      reference: pinned(`${registry.host}/team/two:v1`, two),
      module: two.moduleDescriptor.digest,
      bytes: 20_000,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/u),
    });
    expect(new URL(moduleUrl({ name: NAME, namespace }, two.moduleDescriptor.digest)).pathname.slice(1)).toBe(
      digestParts(two.moduleDescriptor.digest).hex,
    );
    for (const image of [one, two])
      expect(digestOf((await cache.module(image.moduleDescriptor.digest)).body)).toBe(image.moduleDescriptor.digest);

    const path = `/api/v1/namespaces/${namespace}/configmaps/${nodeReportName({ name: NAME }, "node-1")}`;
    const { body } = await client.request<KubeObject>("GET", path);
    expect(body.metadata).toMatchObject({
      labels: {
        "wasme.io/node": "node-1",
        "app.kubernetes.io/managed-by": "wasme",
        "app.kubernetes.io/instance": NAME,
      },
      annotations: { "wasme.io/node-name": "node-1" },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", ...pod }],
    });
    expect(body.metadata["managedFields"]).toEqual([
      expect.objectContaining({ manager: "wasme-cache", operation: "Apply" }),
    ]);

    await list(namespace, { [keyOf(one)]: null });
    await client.eventually<{ readonly data: object }>(path, ({ data }) => !(keyOf(one) in data));
    expect((await cache.module(one.moduleDescriptor.digest)).status).toBe(200);
  });

  it("writes its report again when somebody deletes it", async () => {
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "deleted");
    await list(namespace, await listed(image, "team/deleted:v1"));
    await start(namespace, { speed: 100 });
    await report(namespace, keyOf(image), ({ state }) => state === "ready");
    const path = `/api/v1/namespaces/${namespace}/configmaps/${nodeReportName({ name: NAME }, "node-1")}`;
    expect((await client.request("DELETE", path)).status).toBe(200);
    await report(namespace, keyOf(image), ({ state }) => state === "ready");
  });

  it("leaves the report to the pod that came last, until that one is gone", async () => {
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "surge");
    await list(namespace, await listed(image, "team/surge:v1"));
    const [old, next] = [await createPod(namespace, "cache-old"), await createPod(namespace, "cache-new")];
    const path = `/api/v1/namespaces/${namespace}/configmaps/${nodeReportName({ name: NAME }, "node-1")}`;
    const owned = async (pod: { readonly name: string }): Promise<void> => {
      await client.eventually<KubeObject>(path, ({ metadata }) => {
        const owners = metadata["ownerReferences"] as readonly { readonly name: string }[];
        return owners.map(({ name }) => name).join() === pod.name;
      });
    };
    // Both come to write about twice a second.
    const first = await start(namespace, { identity: { node: "node-1", pod: old }, speed: 200 });
    await owned(old);
    const second = await start(namespace, { identity: { node: "node-1", pod: next }, speed: 200 });
    await owned(next);
    const said = await waitFor("the first to notice", () =>
      first.log.find(({ msg }) => String(msg).includes("another pod of this node writes its report")),
    );
    expect(said["level"]).toBe("info");
    await owned(next);
    expect(second.log.filter(({ msg }) => String(msg).includes("report"))).toEqual([]);
    await second.stop();
    // As its garbage collector does when a pod is gone.
    await client.request("DELETE", path);
    await owned(old);
  });

  it("takes the old tool's list, and tells of it in events that the old tool waits for", async () => {
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "old-list");
    const reference = await push(registry.host, "team/old:v1", image);
    const missing = `${registry.host}/team/nothing:v1`;
    await list(namespace, { images: `\n${reference}\n\n${missing}\n` });
    await start(namespace);
    expect((await report(namespace, keyOf(image), ({ state }) => state === "ready")).reference).toBe(reference);
    const selector = (ref: string): string =>
      encodeURIComponent(
        `cache.wasme.io/cache_event=true,cache.wasme.io/image_ref=${createHash("md5").update(ref).digest("hex")}`,
      );
    const events = async (ref: string): Promise<readonly Record<string, unknown>[]> => {
      const path = `/api/v1/namespaces/${namespace}/events?labelSelector=${selector(ref)}`;
      const { items } = await client.eventually<{ readonly items: Record<string, unknown>[] }>(
        path,
        ({ items: found }) => found.length > 0,
      );
      return items;
    };
    const about = { kind: "ConfigMap", name: NAME, namespace };
    expect(await events(reference)).toMatchObject([{ reason: "ImageAdded", type: "Normal", involvedObject: about }]);
    expect(await events(missing)).toMatchObject([{ reason: "ImageError", type: "Warning", involvedObject: about }]);
  });

  it("pulls an image with the secret that is listed for it, and notices a new one", async () => {
    const hub = await startHub((dir) => ({ auth: { mode: "basic", htpasswd: writeUsers(dir) } }));
    onTestFinished(() => hub.close());
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "secret");
    const asAlice = { kind: "basic", username: alice.username, password: alice.password } as const;
    const reference = pinned(await push(hub.host, "team/secret:v1", image, () => Promise.resolve(asAlice)), image);
    const secret = (password: string): object => {
      const auth = Buffer.from(`${alice.username}:${password}`).toString("base64");
      const config = JSON.stringify({ auths: { [hub.host]: { auth } } });
      return { data: { [keyOf(image)]: Buffer.from(config).toString("base64") } };
    };
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    await client.request("POST", path, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: `${NAME}-pull` },
      ...secret("n0t-this-1"),
    });
    await list(namespace, { [keyOf(image)]: reference });
    const cache = await start(namespace);
    const failed = await report(namespace, keyOf(image), ({ state }) => state === "failed");
    expect(failed.error).toMatch(/401|refused/u);
    expect(failed.error).not.toContain("n0t-this-1");
    await client.request("PATCH", `${path}/${NAME}-pull`, secret(alice.password), "application/merge-patch+json");
    await report(namespace, keyOf(image), ({ state }) => state === "ready");
    expect((await cache.get(`/${hub.host}/team/secret:v1`)).status).toBe(404);
    expect((await cache.module(image.moduleDescriptor.digest)).status).toBe(200);
  });

  it("says which right it lacks, and goes on when it gets it", async () => {
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "rights");
    await list(namespace, await listed(image, "team/rights:v1"));
    const rules = shipped(namespace).filter(({ resourceNames = [] }) => !resourceNames.includes(NAME));
    const cache = await start(namespace, { port: await open(namespace, rules) });
    const red = await waitFor("the reason", async () => {
      const { text } = await cache.get("/readyz");
      return text.includes("not allowed") ? text : undefined;
    });
    expect(red).toContain("not allowed to list configmaps");
    const role = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "late", namespace },
      rules: shipped(namespace),
    };
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "late", namespace },
      subjects: [{ kind: "Group", name: `system:serviceaccounts:${namespace}`, apiGroup: "rbac.authorization.k8s.io" }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "late" },
    };
    await client.apply([role, binding] as readonly KubeObject[]);
    await cache.ready();
  });

  it("keeps what it has when its list is deleted, and when it starts without the API server", async () => {
    const namespace = await client.namespace("cache");
    const image = testImage(10_000, "list-gone");
    await list(namespace, await listed(image, "team/list-gone:v1"));
    const cache = await start(namespace, { lingerMs: 100 });
    await cache.ready();
    await client.request("DELETE", `/api/v1/namespaces/${namespace}/configmaps/${NAME}`);
    await waitFor("the word of it", () => cache.log.find(({ msg }) => String(msg).includes("ConfigMap is not there")));
    expect(await cache.metric('wasme_cache_entries{state="ready"}')).toBe(1);
    await cache.stop();

    const kubeconfig = (await readFile(await client.adminKubeconfig(namespace), "utf8")).replace(
      client.server,
      "https://127.0.0.1:1",
    );
    const { writeFile } = await import("node:fs/promises");
    const file = `${cache.directory}/kubeconfig`;
    await writeFile(file, kubeconfig);
    const port = await connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
    onTestFinished(() => port.close());
    const again = await start(namespace, { directory: cache.directory, port, lingerMs: 100 });
    expect((await again.module(image.moduleDescriptor.digest)).status).toBe(200);
    await again.ready();
    expect(again.log.some(({ msg }) => String(msg).includes("going by the list of the last run"))).toBe(true);
    expect(await again.metric("wasme_cache_evictions_total")).toBe(0);
  });
});
