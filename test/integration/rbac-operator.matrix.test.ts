import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRecorder } from "../../src/controller/event-recorder.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { Kinds, type ResourceKind } from "../../src/kube/kinds.ts";
import type { KubePort } from "../../src/kube/port.ts";
import type { KubeObject } from "../../src/kube/objects.ts";
import { pullSecretName } from "../../src/mesh/cache-objects.ts";
import { buildOperatorObjects, type OperatorSettings } from "../../src/mesh/operator-objects.ts";
import { createCachedPort } from "../../src/operator/cached-port.ts";
import { createClusterView } from "../../src/operator/cluster-view.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { component } from "../components/require-component.ts";
import { alice } from "../components/users.ts";
import { waitFor } from "../components/wait.ts";
import { memoryLog } from "../support/memory-log.ts";
import { workload } from "./deploy-support.ts";
import {
  CACHE,
  conditionsOf,
  filterDeployment,
  type ImageRegistry,
  installKinds,
  type LiveFilterDeployment,
  type PushedImage,
  type Reporter,
  startImages,
  startOperator,
  startReporter,
  type TestOperator,
  tracesIn,
  WASME,
} from "./operator-support.ts";
import { type Grant, grantsOf, grantTitle, installRoles, withoutGrant } from "./rbac-support.ts";

const cluster = await component("cluster", () => startCluster({ guardsOwners: true }));
const registry = await component("registry", () => startImages({ auth: "htpasswd" }));

/** Where the shipped rules are written for, before a test puts its own places in. */
const NAMES = { operator: "rbac-operator", watched: "rbac-watched" };
const grants = grantsOf(shipped(NAMES, false));

describe.skipIf("skip" in cluster || "skip" in registry)("the operator with the rights it is shipped with", () => {
  let client: Cluster;
  let images: ImageRegistry;
  let reporter: Reporter;
  let pushed: readonly PushedImage[];

  beforeAll(async () => {
    if (!("ready" in cluster) || !("ready" in registry)) return;
    [client, images] = [cluster.ready, registry.ready];
    pushed = [await images.push("team/hello:v1", "one"), await images.push("team/hello:v2", "two")];
    await installKinds(client);
    reporter = startReporter(client);
  }, 60_000);
  afterAll(async () => {
    await reporter?.stop();
    if ("ready" in registry) await registry.ready.stop();
    if ("ready" in cluster) await cluster.ready.stop();
  });

  // First: the operators of the other tests leave FilterDeployments behind, and this one sees them all.
  it("does all it has to in the whole cluster", async () => {
    const place = await prepare(client, { everywhere: true });
    const operator = await startOperator(place.kubeconfig, settingsOf(place));
    try {
      await life(client, {
        ...place,
        images: pushed,
        host: images.host,
        stopped: never,
        text: () => operator.log.text(),
      });
      const traces = async (): Promise<true | undefined> =>
        (await tracesIn(client, place.watched)).length === 0 ? true : undefined;
      await waitFor("nothing to be left", traces, { detail: () => operator.log.text() });
      expect(refusalsIn(operator)).toEqual([]);
    } finally {
      await operator.stop();
    }
  });

  it("names what it lacks to take credentials away again", async () => {
    const lacking = grants.find(({ verb, resource }) => verb === "delete" && resource === "secrets");
    if (lacking === undefined) throw new Error("that is no right of it");
    const wanted = refusalOf(lacking);
    expect(await lack(client, { lacking, everywhere: true }, wanted)).toMatch(wanted);
  });

  it("does all it has to in the namespaces it watches", async () => {
    const place = await prepare(client);
    const operator = await startOperator(place.kubeconfig, settingsOf(place));
    try {
      await life(client, {
        ...place,
        images: pushed,
        host: images.host,
        stopped: never,
        text: () => operator.log.text(),
      });
      expect(grants.map((grant) => rareTitle(grant))).toEqual(expect.arrayContaining(Object.keys(RARE)));
      for (const [title, probe] of Object.entries(RARE)) expect([title, await tell(place, probe)]).toEqual([title, ""]);
      expect(refusalsIn(operator)).toEqual([]);
    } finally {
      await operator.stop();
    }
  });

  it.for(
    grants
      .filter(({ verb, resource }) => !(verb === "delete" && resource === "secrets"))
      .map((grant) => ({ grant, title: grantTitle(grant) })),
  )("names what it lacks without: $title", async ({ grant }) => {
    const wanted = refusalOf(grant);
    const probe = RARE[rareTitle(grant)];
    const given = { lacking: grant };
    const said =
      probe === undefined ? await lack(client, given, wanted) : await tell(await prepare(client, given), probe);
    expect(said).toMatch(wanted);
  });

  /** Runs an operator without a right until it says so, and returns what it said. */
  async function lack(on: Cluster, given: Given, wanted: RegExp): Promise<string> {
    const place = await prepare(on, given);
    const operator = await startOperator(place.kubeconfig, { ...settingsOf(place), waits: false });
    let stopped = false;
    const text = (): string =>
      operator.log.entries
        .filter(({ level }) => level !== "debug")
        .map(({ fields, message }) => `${message} ${String(fields["error"])}`)
        .join("\n");
    // What is missed only at the end is missed after one round, too.
    const rounds = given.lacking?.verb.startsWith("delete") === true ? 1 : 2;
    const work = life(on, { ...place, images: pushed, host: images.host, stopped: () => stopped, text, rounds });
    const ended = work.catch((error: unknown) => {
      if (!stopped) throw error;
    });
    try {
      const seen = waitFor("the refusal", () => (wanted.test(text()) ? true : undefined), { detail: text });
      await Promise.race([seen, ended.then(() => seen)]);
      return text();
    } finally {
      stopped = true;
      await operator.stop();
      await ended;
    }
  }
});

const never = (): boolean => false;

/** What an operator was refused, as far as it told of it as worth a look. */
function refusalsIn({ log }: TestOperator): readonly string[] {
  return log.entries
    .filter(({ level }) => level !== "debug")
    .map(({ message, fields }) => `${message} ${String(fields["error"])}`)
    .filter((line) => /not allowed|refuse/u.test(line));
}

/** Where an operator with some of its rights runs. */
interface Place {
  readonly kubeconfig: string;
  readonly operator: string;
  readonly watched: string;
  readonly everywhere: boolean;
}

/** How an operator is set up. */
interface Given {
  /** The right it is without. */
  readonly lacking?: Grant | undefined;
  /** It looks after all namespaces. */
  readonly everywhere?: boolean;
}

/** New namespaces, and an account with the shipped rules less one. */
async function prepare(client: Cluster, { lacking, everywhere = false }: Given = {}): Promise<Place> {
  const id = randomBytes(4).toString("hex");
  const names = { operator: `operator-${id}`, watched: `watched-${id}` };
  const move = (text: string): string =>
    text.replaceAll(NAMES.operator, names.operator).replaceAll(NAMES.watched, names.watched);
  const objects =
    lacking === undefined ? shipped(NAMES, everywhere) : withoutGrant(shipped(NAMES, everywhere), lacking);
  const moved = objects.map((object) => JSON.parse(move(JSON.stringify(object))) as KubeObject);
  await client.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: names.watched } });
  // Nothing of an operator before, which may have been stopped half-way.
  const core = `/api/v1/namespaces/${CACHE.namespace}`;
  await client.request("DELETE", `${core}/secrets/${pullSecretName(CACHE)}`);
  const empty = { data: null, metadata: { annotations: null } };
  await client.request("PATCH", `${core}/configmaps/${CACHE.name}`, empty, "application/merge-patch+json");
  const kubeconfig = await installRoles(client, moved, { namespace: names.operator, name: names.operator });
  return { ...names, kubeconfig, everywhere };
}

function settingsOf({ operator, watched, everywhere }: Place): Parameters<typeof startOperator>[1] {
  const watchNamespaces = everywhere ? [] : [watched];
  return { namespace: operator, lease: operator, leaderElect: true, watchNamespaces, cache: CACHE };
}

function shipped({ operator, watched }: typeof NAMES, everywhere: boolean): readonly KubeObject[] {
  const settings: OperatorSettings = {
    name: operator,
    namespace: operator,
    image: "registry.example/wasme:1",
    imagePullPolicy: "Never",
    replicas: 1,
    watchNamespaces: everywhere ? [] : [watched],
    pullSecrets: [],
    cache: CACHE,
  };
  return buildOperatorObjects(settings).filter(
    ({ kind, metadata }) => kind !== "CustomResourceDefinition" && !metadata.name.startsWith("wasme-filterdeployments"),
  );
}

interface Life extends Place {
  readonly images: readonly PushedImage[];
  readonly host: string;
  readonly stopped: () => boolean;
  readonly text: () => string;
  /** Configurations that are asked for one after the other; two when absent. */
  readonly rounds?: number;
}

/** FilterDeployments of every kind of object and of workload, made, changed and deleted. */
async function life(client: Cluster, place: Life): Promise<void> {
  const { watched: namespace, images, stopped, text } = place;
  const auth = Buffer.from(`${alice.username}:${alice.password}`).toString("base64");
  await client.apply([
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "creds", namespace },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": JSON.stringify({ auths: { [place.host]: { auth } } }) },
    },
    workload(namespace),
    workload(namespace, { kind: "StatefulSet", name: "db" }),
    workload(namespace, { kind: "DaemonSet", name: "agent" }),
  ]);
  const path = `/apis/${WASME}/namespaces/${namespace}/filterdeployments`;
  const until = (what: string, done: (items: readonly LiveFilterDeployment[]) => boolean): Promise<true> =>
    waitFor(
      what,
      async () => {
        if (stopped()) throw new Error("stopped");
        const { body } = await client.request<{ items: readonly LiveFilterDeployment[] }>("GET", path);
        return done(body.items) ? true : undefined;
      },
      { deadlineMs: 60_000, detail: text },
    );
  const shapes = [
    { name: "plugin", istio: { via: "wasmplugin" } },
    { name: "extension", istio: { via: "trafficextension" } },
    { name: "deployment", istio: FILE },
    { name: "statefulset", istio: { ...FILE, kind: "StatefulSet", labels: { app: "db" } } },
    { name: "daemonset", istio: { ...FILE, kind: "DaemonSet", labels: { app: "agent" } } },
  ];
  const imagePullOptions = { pullSecret: "creds" };
  for (const config of ["one", "two"].slice(0, place.rounds ?? 2)) {
    for (const [index, { name, istio }] of shapes.entries()) {
      const { reference } = images[index % images.length] ?? { reference: "" };
      const filter = { id: name, imagePullOptions, config: { say: config } };
      await client.apply(filterDeployment(namespace, reference, { name, filter, istio }));
    }
    await until(`config ${config} everywhere`, (items) => items.length === shapes.length && items.every(isReady));
  }
  for (const { name } of shapes) await client.request("DELETE", `${path}/${name}`);
  await until("all to be gone", (items) => items.length === 0);
}

const FILE = { via: "envoyfilter", delivery: "cache-file" };

function isReady(object: LiveFilterDeployment): boolean {
  const { status, metadata } = object;
  return status?.observedGeneration === metadata.generation && conditionsOf(object)["Ready"] === "True Deployed";
}

function refusalOf({ verb, group, resource }: Grant): RegExp {
  const [plural = "", part] = resource.split("/");
  const full = `${plural}${group === "" ? "" : `.${group}`}${part === undefined ? "" : `/${part}`}`;
  return new RegExp(`not allowed to ${verb} ${full.replaceAll(".", "\\.")}(?: |$)`, "mu");
}

type Probe = (port: KubePort, place: Place) => Promise<void>;

/** What is needed only after a race, or for the same again: brought about by itself. */
const RARE: Readonly<Record<string, Probe>> = {
  ...Object.fromEntries(
    [
      Kinds.deployment,
      Kinds.daemonSet,
      Kinds.statefulSet,
      Kinds.envoyFilter,
      Kinds.wasmPlugin,
      Kinds.trafficExtension,
      Kinds.filterDeployment,
    ].map(
      (kind) => [`get ${kind.plural}`, (port, place) => afterRace(port, place.watched, kind)] satisfies [string, Probe],
    ),
  ),
  "get configmaps": (port) => afterRace(port, CACHE.namespace, Kinds.configMap, CACHE.name),
  "patch events": async (port, { watched: namespace }) => {
    const log = memoryLog();
    const recorder = createRecorder({ port, clock: systemClock, log, controller: "wasme.io/operator", instance: "it" });
    const about = { apiVersion: WASME, kind: "FilterDeployment", metadata: { name: "it", namespace } };
    const event = { about, type: "Normal", reason: "Tried", action: "Try", note: "the same again" } as const;
    for (let times = 0; times < 2; times += 1) {
      recorder.record(event);
      await recorder.flush();
    }
    for (const { fields } of log.entries) throw fields["error"];
  },
};

/** Reads what a write was refused for: the view cannot be trusted then. */
async function afterRace(live: KubePort, namespace: string, kind: ResourceKind, name = "none"): Promise<void> {
  const deps = { port: live, clock: systemClock, log: memoryLog() };
  const view = createClusterView(deps, { watchNamespaces: [namespace], cache: CACHE }, () => undefined);
  const port = createCachedPort({ ...deps, live, view });
  const ref = { kind, namespace, name };
  const stale = { metadata: { resourceVersion: "1" } };
  await expect(port.patch(ref, stale)).rejects.toMatchObject({ code: expect.stringMatching(/CONFLICT|NOT_FOUND/u) });
  await port.get(ref);
}

function rareTitle({ verb, resource, names }: Grant): string {
  return names.length > 0 ? "" : `${verb} ${resource}`;
}

/** What it says when it is refused; nothing when it is not. */
async function tell(place: Place, probe: Probe): Promise<string> {
  const deps = { clock: systemClock, events: ignoreEvents, fieldManager: "wasme-operator" } as const;
  const port = await connectCluster(deps, { file: place.kubeconfig, env: {}, cwd: "/" });
  try {
    await probe(port, place);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    port.close();
  }
}
