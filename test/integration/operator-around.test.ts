import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildOperatorObjects } from "../../src/mesh/operator-objects.ts";
import { filterDeploymentCrd } from "../../src/mesh/filter-deployment-crd.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { clusterProgram } from "../cluster/build.ts";
import { installIstioCrds } from "../cluster/istio-crds.ts";
import { rawRequest } from "../components/raw-http.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { workload } from "./deploy-support.ts";
import {
  CACHE,
  conditionsOf,
  filterDeployment,
  type ImageRegistry,
  installCache,
  type LiveFilterDeployment,
  messageOf,
  PLUGINS,
  startImages,
  startOperator,
  startReporter,
  type TestOperator,
  tracesIn,
  WASME,
} from "./operator-support.ts";
import { installRoles } from "./rbac-support.ts";

const cluster = await component("cluster", () => startCluster({ crds: "none" }));
const registry = await component("registry", () => startImages({ auth: "htpasswd" }));

// One story: the cluster gets, step by step, what the operator needs.
describe.skipIf("skip" in cluster || "skip" in registry)(
  "an operator in a cluster that lacks things",
  { timeout: 180_000 },
  () => {
    let client: Cluster;
    let images: ImageRegistry;
    let namespace: string;
    const operators: TestOperator[] = [];

    beforeAll(async () => {
      if (!("ready" in cluster) || !("ready" in registry)) return;
      client = cluster.ready;
      images = registry.ready;
      namespace = await client.namespace("around");
      await client.apply(workload(namespace));
    });
    afterAll(async () => {
      for (const operator of operators) await operator.stop();
      if ("ready" in registry) await registry.ready.stop();
      if ("ready" in cluster) await cluster.ready.stop();
    });

    const path = (): string => `/apis/${WASME}/namespaces/${namespace}/filterdeployments/hello`;
    const reason = async (wanted: string): Promise<LiveFilterDeployment> => {
      const isIt = (object: LiveFilterDeployment): boolean =>
        object.status?.observedGeneration === object.metadata.generation &&
        conditionsOf(object)["Ready"]?.endsWith(` ${wanted}`) === true;
      try {
        return await client.eventually<LiveFilterDeployment>(path(), isIt, 100_000);
      } catch (error) {
        throw new Error(operators.map(({ log }) => log.text()).join("\n---\n"), { cause: error });
      }
    };
    const readyz = async (operator: TestOperator): Promise<string> =>
      (await rawRequest({ url: `${operator.url}/readyz` })).text;

    it("waits for the kind FilterDeployment, and says so", async () => {
      const operator = await startOperator(client.kubeconfigPath, { waits: false, leaderElect: true });
      operators.push(operator);
      await waitFor("it to say so", async () => {
        const text = operator.url === "" ? "" : await readyz(operator);
        return text.includes("wasme operator manifests --crds only | kubectl apply -f -") ? true : undefined;
      });
      expect(operator.log.text()).toContain(
        "filterdeployments.wasme.io are not served by this cluster: waiting for their definition; to install it: wasme operator manifests --crds only | kubectl apply -f -",
      );
      expect((await rawRequest({ url: `${operator.url}/healthz` })).status).toBe(200);
      await client.apply({ ...filterDeploymentCrd, metadata: { ...filterDeploymentCrd.metadata } });
      await waitFor("it to be ready", async () => ((await readyz(operator)) === "ok\n" ? true : undefined), {
        deadlineMs: 60_000,
        detail: () => operator.log.text(),
      });
      const metrics = await rawRequest({ url: `${operator.url}/metrics` });
      expect(metrics.text).toContain('leader_election_master_status{name="wasme-operator"} 1');
    });

    it("needs the pull secret, in either form", async () => {
      const image = await images.push("team/private:v1", "private");
      const { user } = images.running;
      if (user === undefined) throw new Error("the registry has no users");
      const { username, password } = user;
      const secret = (type: string, stringData: object): object => ({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "regcred", namespace },
        type,
        stringData,
      });
      const secrets = `/api/v1/namespaces/${namespace}/secrets`;
      const withSecret = { filter: { imagePullOptions: { pullSecret: "regcred" } }, istio: { via: "auto" } };
      await client.apply(filterDeployment(namespace, image.reference, {}));
      expect(messageOf(await reason("RegistryDenied"))).toMatch(/unauthori[sz]ed|denied|refused/u);
      await client.apply(filterDeployment(namespace, image.reference, withSecret));
      expect(messageOf(await reason("PullSecretUnusable"))).toContain('there is no Secret "regcred"');
      await client.request("POST", secrets, secret("Opaque", { username, password: "wrong" }));
      await reason("RegistryDenied");
      await client.request("DELETE", `${secrets}/regcred`);
      await client.request("POST", secrets, secret("Opaque", { username, password }));
      // Nothing of Istio's is there yet.
      const object = await reason("KindNotServed");
      expect(messageOf(object)).toContain("this cluster serves none of Istio's kinds");
      expect(conditionsOf(object)["ImageVerified"]).toBe("True Verified");
    });

    it("goes on when Istio comes", async () => {
      await installIstioCrds(client, (await clusterProgram()).istioCrds, "istio");
      const object = await reason("PullSecretUnusable");
      expect(messageOf(object)).toContain("kubernetes.io/dockerconfigjson");
      // A proxy that is told of what it cannot fetch refuses every request.
      expect(await tracesIn(client, namespace)).toEqual([]);
      const { user } = images.running;
      const auth = Buffer.from(`${user?.username}:${user?.password}`).toString("base64");
      const secrets = `/api/v1/namespaces/${namespace}/secrets`;
      await client.request("DELETE", `${secrets}/regcred`);
      await client.request("POST", secrets, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "regcred", namespace },
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": JSON.stringify({ auths: { [images.host]: { auth } } }) },
      });
      // Nobody tells of a Secret: it looks again by itself.
      const well = await reason("Deployed");
      expect(well.status?.delivery).toBe("registry");
      expect(await tracesIn(client, namespace)).toEqual(["trafficextensions/web-hello"]);
    });

    it("hands the credentials to the node cache when it comes, and takes them back", async () => {
      await installCache(client, false);
      const reporter = startReporter(client);
      try {
        await client.request(
          "PATCH",
          path(),
          { spec: { deployment: { istio: { delivery: "cache-http" } } } },
          "application/merge-patch+json",
        );
        await reason("Deployed");
        interface Credentials {
          readonly data?: Readonly<Record<string, string>>;
        }
        const secret = `/api/v1/namespaces/${CACHE.namespace}/secrets/${CACHE.name}-pull`;
        const { body } = await client.request<Credentials>("GET", secret);
        const [value = ""] = Object.values(body.data ?? {});
        const { auths } = JSON.parse(Buffer.from(value, "base64").toString()) as {
          auths: Record<string, { auth: string }>;
        };
        expect(Object.keys(auths)).toEqual([images.host]);
        // Nobody tells of a Secret: the next look puts back what somebody deletes.
        await client.request("DELETE", secret);
        await client.eventually<Credentials>(secret, ({ data }) => Object.values(data ?? {}).includes(value));
      } finally {
        await reporter.stop();
      }
    });

    it("hands over to another operator, which does not do everything anew", async () => {
      const second = await startOperator(client.kubeconfigPath, { waits: false, leaderElect: true });
      operators.push(second);
      const isLeading = async (operator: TestOperator): Promise<boolean> => {
        const { text } = await rawRequest({ url: `${operator.url}/metrics` });
        return text.includes('leader_election_master_status{name="wasme-operator"} 1');
      };
      await waitFor("the second one to listen", () => (second.url === "" ? undefined : true));
      expect(await isLeading(second)).toBe(false);
      await operators[0]?.stop();
      await waitFor("the second one to lead", async () => ((await isLeading(second)) ? true : undefined), {
        deadlineMs: 60_000,
      });
      const plugin = `/apis/${PLUGINS}/namespaces/${namespace}/trafficextensions`;
      const [only] = (
        await client.request<{ items: { metadata: { resourceVersion: string; name: string } }[] }>("GET", plugin)
      ).body.items;
      await client.request("DELETE", `${plugin}/${only?.metadata.name}`);
      await client.eventually(`${plugin}/${only?.metadata.name}`, () => true);
      await client.request("DELETE", path());
      await waitFor("nothing to be left", async () =>
        (await tracesIn(client, namespace)).length === 0 ? true : undefined,
      );
      expect(second.log.entries.filter(({ level }) => level === "error")).toEqual([]);
    });

    it("keeps the lead, its waits and its verdicts while somebody sets the wall clock", async () => {
      for (const operator of operators) await operator.stop();
      let offset = 0;
      const clock = { ...systemClock, now: () => Date.now() + offset };
      const operator = await startOperator(client.kubeconfigPath, { leaderElect: true, clock });
      operators.push(operator);
      const isNear = (time: string): boolean => Math.abs(Date.parse(time) - clock.now()) < HOUR_MS / 2;
      interface Lease {
        readonly spec: Readonly<Record<"holderIdentity" | "renewTime", string>> & { readonly leaseTransitions: number };
      }
      const lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/wasme-operator";
      const { holderIdentity, leaseTransitions } = (await client.request<Lease>("GET", lease)).body.spec;
      const looks = async (): Promise<number> => {
        const { text } = await rawRequest({ url: `${operator.url}/metrics` });
        const counts = text.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gmu);
        return [...counts].reduce((all, [, count]) => all + Number(count), 0);
      };
      const image = await images.push("team/clock:v1", "clock");
      const filter = { imagePullOptions: { pullSecret: "regcred" } };
      const istio = { via: "auto", delivery: "cache-http" };
      await client.apply(filterDeployment(namespace, image.reference, { filter, istio }));
      await reason("WaitingForNodes");
      for (const jump of [HOUR_MS, -2 * HOUR_MS]) {
        offset += jump;
        const before = await looks();
        const web = `/apis/apps/v1/namespaces/${namespace}/deployments/web`;
        const metadata = { labels: { jump: `${offset}` } };
        await client.request("PATCH", web, { metadata }, "application/merge-patch+json");
        await waitFor("a look", async () => ((await looks()) > before ? true : undefined));
        const { spec } = await client.eventually<Lease>(lease, (one) => isNear(one.spec.renewTime), 60_000);
        expect(spec).toMatchObject({ holderIdentity, leaseTransitions });
        const { body } = await client.request<LiveFilterDeployment>("GET", path());
        expect(conditionsOf(body)).toMatchObject({ CacheReady: "False WaitingForNodes", Degraded: "False InProgress" });
      }
      const reporter = startReporter(client);
      try {
        const { status } = await reason("Deployed");
        const ready = status?.conditions?.find(({ type }) => type === "Ready");
        expect(isNear(ready?.lastTransitionTime ?? "")).toBe(true);
      } finally {
        await reporter.stop();
      }
      await client.request("DELETE", path());
      await waitFor("nothing to be left", async () =>
        (await tracesIn(client, namespace)).length === 0 ? true : undefined,
      );
    });

    it("waits for a node cache that is installed anew, and for a right that is given back", async () => {
      for (const operator of operators) await operator.stop();
      const account = { name: "returning", namespace: "returning" };
      const roles = buildOperatorObjects({
        ...account,
        image: "registry.example/wasme:1",
        imagePullPolicy: "Never",
        replicas: 1,
        watchNamespaces: [],
        pullSecrets: [],
        cache: CACHE,
      }).filter(
        // Roles for people bind nobody.
        ({ kind, metadata }) =>
          kind !== "CustomResourceDefinition" && !metadata.name.startsWith("wasme-filterdeployments"),
      );
      const kubeconfig = await installRoles(client, roles, account);
      // Long enough to show that nobody waits for it.
      const operator = await startOperator(kubeconfig, { namespace: account.namespace, resyncMs: HOUR_MS });
      operators.push(operator);
      const reporter = startReporter(client);
      const core = `/api/v1/namespaces/${CACHE.namespace}`;
      try {
        const image = await images.push("team/anew:v1", "anew");
        const filter = { config: "no JSON", imagePullOptions: { pullSecret: "regcred" } };
        await client.apply(filterDeployment(namespace, image.reference, { filter, istio: { via: "auto" } }));
        const isThere = async (): Promise<void> => {
          expect((await reason("Deployed")).status?.delivery).toBe("cache-http");
          expect(await tracesIn(client, namespace)).toContain("envoyfilters/web-hello");
        };
        await isThere();
        await client.request("DELETE", `/apis/apps/v1/namespaces/${CACHE.namespace}/daemonsets/${CACHE.name}`);
        for (const kind of ["services", "configmaps"]) await client.request("DELETE", `${core}/${kind}/${CACHE.name}`);
        await reason("CacheNotInstalled");
        await installCache(client, false, "Service");
        const says = (text: string) => (object: LiveFilterDeployment) => messageOf(object).includes(text);
        await client.eventually<LiveFilterDeployment>(path(), says("wasme/wasme-cache has no Service"), 60_000);
        await installCache(client, false);
        await isThere();

        const role = roles.find(({ kind, metadata }) => kind === "Role" && metadata.namespace === CACHE.namespace);
        const where = `/apis/rbac.authorization.k8s.io/v1/namespaces/${CACHE.namespace}/roles/${role?.metadata.name}`;
        expect((await client.request("DELETE", where)).status).toBe(200);
        await client.request(
          "PATCH",
          `${core}/configmaps/${CACHE.name}`,
          { data: null },
          "application/merge-patch+json",
        );
        expect(messageOf(await reason("Forbidden"))).toMatch(
          /not allowed to \w+ \S+ "wasme-cache" in namespace "wasme"; .*wasme operator manifests \| kubectl apply -f -/u,
        );
        await client.apply(JSON.stringify(role));
        await isThere();
        const told = operator.log.entries
          .filter(({ message }) => message.startsWith("cannot bring"))
          .map(({ fields }) => String(fields["error"] ?? fields["why"]));
        expect(told.join("\n")).toMatch(/not installed[^]*has no Service[^]*not allowed/u);
        expect(new Set(told).size).toBe(told.length);
        await client.request("DELETE", path());
        await waitFor("nothing to be left", async () =>
          (await tracesIn(client, namespace)).length === 0 ? true : undefined,
        );
      } finally {
        await reporter.stop();
      }
    });

    it("tells that nobody serves the module of a deployed filter any more, touches nothing, and heals by itself", async () => {
      for (const operator of operators) await operator.stop();
      // A minute passes in a second.
      const clock = { ...systemClock, elapsed: () => systemClock.elapsed() * 60 };
      operators.push(await startOperator(client.kubeconfigPath, { clock }));
      const reporter = startReporter(client);
      const select = async (place: string | null): Promise<void> => {
        const body = { spec: { template: { spec: { nodeSelector: { place } } } } };
        const target = `/apis/apps/v1/namespaces/${CACHE.namespace}/daemonsets/${CACHE.name}`;
        expect((await client.request("PATCH", target, body, "application/merge-patch+json")).status).toBe(200);
      };
      try {
        const image = await images.push("team/served:v1", "served");
        const filter = { imagePullOptions: { pullSecret: "regcred" } };
        await client.apply(filterDeployment(namespace, image.reference, { filter, istio: { delivery: "cache-http" } }));
        await reason("Deployed");
        const plugin = `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins/web-hello`;
        const { body: before } = await client.request<{ metadata: object }>("GET", plugin);
        await select("nowhere");
        const down = await reason("ModuleUnavailable");
        expect(conditionsOf(down)).toEqual({
          Ready: "False ModuleUnavailable",
          ImageVerified: "True Verified",
          CacheReady: "False ModuleUnavailable",
          WorkloadsUpdated: "True AllUpdated",
          Degraded: "True ModuleUnavailable",
        });
        expect(down.status?.ready).toBe("1/1");
        const isSaid = (object: LiveFilterDeployment): boolean =>
          messageOf(object).startsWith("0/0 nodes; no node has a cache pod: proxies that have the filter keep it");
        await client.eventually<LiveFilterDeployment>(path(), isSaid, 100_000);
        await select(null);
        expect(conditionsOf(await reason("Deployed"))["Degraded"]).toBe("False AsWanted");
        const { body: after } = await client.request<{ metadata: object }>("GET", plugin);
        expect(after.metadata).toEqual(before.metadata);
        await client.request("DELETE", path());
        await waitFor("nothing to be left", async () =>
          (await tracesIn(client, namespace)).length === 0 ? true : undefined,
        );
      } finally {
        await reporter.stop();
      }
    });
  },
);

const HOUR_MS = 3_600_000;
