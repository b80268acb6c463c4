import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveCache } from "../../src/cache/serve-cache.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { storeModule } from "../../src/images/store-module.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { stringMapAt, type KubeObject } from "../../src/kube/objects.ts";
import { buildCacheObjects, cacheEntry, nodeReportName, pullSecretName } from "../../src/mesh/cache-objects.ts";
import { parseEntryReport } from "../../src/mesh/node-report.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createJsonLog } from "../../src/platform/json-log.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import type { CredentialSource } from "../../src/registry/credential.ts";
import type { ClusterClient } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { need } from "../components/require-component.ts";
import { alice } from "../components/users.ts";
import { waitFor } from "../components/wait.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "./hub-support.ts";
import { type Grant, grantsOf, grantTitle, installRoles, withoutGrant } from "./rbac-support.ts";

const NAME = "wasme-cache";
const NODE = "node-1";
const CORE = { apiVersion: "v1" };

let hub: HubServer;
let entries: readonly { readonly key: string; readonly value: string }[];

beforeAll(async () => {
  hub = await startHub((dir) => ({ auth: { mode: "basic", htpasswd: writeUsers(dir) } }));
  entries = [];
  for (const name of ["early", "late"]) entries = [...entries, await stored(`${hub.host}/demo/${name}:v1`)];
});

afterAll(() => hub.close());

const grants = grantsOf(objectsIn("wasme"));

describe("the cache with the rights it is shipped with", () => {
  it("does all it has to", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const cache = await start(cluster);
    await life(cluster, cache);
    expect(cache.log().filter((line) => line.includes("not allowed"))).toEqual([]);
    await cache.stop();
  });

  it.for(grants.map((grant) => ({ grant, title: grantTitle(grant) })))(
    "names what it lacks without: $title",
    async ({ grant }, context) => {
      const cluster = await need(context, "cluster", sharedCluster);
      const cache = await start(cluster, grant);
      const work = life(cluster, cache).catch((error: unknown) => {
        if (!cache.stopped()) throw error;
      });
      const { message } = await waitFor("the refusal", () => cache.log().flatMap(refusal)[0], {
        detail: () => cache.log().join(""),
      });
      expect(message).toMatch(new RegExp(`^not allowed to ${grant.verb} ${grant.resource}\\b`, "u"));
      await cache.stop();
      await work;
    },
  );
});

interface RunningCache {
  readonly namespace: string;
  log(): readonly string[];
  stopped(): boolean;
  stop(): Promise<void>;
}

/** A cache with the shipped rights, less one, in a namespace of its own. */
async function start(cluster: ClusterClient, lacking?: Grant): Promise<RunningCache> {
  const namespace = `rbac-${randomBytes(4).toString("hex")}`;
  const objects = objectsIn(namespace);
  const given =
    lacking === undefined
      ? objects
      : withoutGrant(objects, { ...lacking, role: lacking.role.replace("wasme/", `${namespace}/`) });
  const kubeconfig = await installRoles(cluster, given, { namespace, name: NAME });
  const directory = tempDir("wasme-rbac-");
  const lines: string[] = [];
  const log = createJsonLog({ write: (line) => void lines.push(line), clock: systemClock });
  const source = { env: { KUBECONFIG: kubeconfig }, cwd: directory };
  const deps = { clock: systemClock, events: ignoreEvents, fieldManager: "wasme-cache" } as const;
  const port = await connectCluster(deps, source);
  const stop = new AbortController();
  const registries = {
    common: () => Promise.resolve(undefined),
    createClient: (credentials: CredentialSource) => createRegistryClient({ env: {}, credentials }),
  };
  const metrics = await createMetrics();
  const serving = serveCache(
    { clock: systemClock, log, metrics, registries, port, signal: stop.signal },
    {
      directory,
      clear: false,
      listen: { host: "127.0.0.1", port: 0 },
      references: [],
      refFile: undefined,
      cache: { namespace, name: NAME },
      identity: { node: NODE },
      tagIntervalMs: 60_000,
      lingerMs: 600_000,
      holdMs: 1000,
      drainMs: 0,
      maxBytes: 1 << 30,
      maxHeld: 10,
    },
  );
  return {
    namespace,
    log: () => lines,
    stopped: () => stop.signal.aborted,
    stop: async () => {
      stop.abort();
      await serving;
      port.close();
    },
  };
}

/** What a cache meets: a list and a secret that are there, both changed, an event and one more like it. */
async function life(cluster: ClusterClient, cache: RunningCache): Promise<void> {
  const { namespace } = cache;
  const [early, late] = entries;
  if (early === undefined || late === undefined) throw new Error("no images");
  const core = `/api/v1/namespaces/${namespace}`;
  const merge = async (path: string, body: object): Promise<void> => {
    const { status } = await cluster.request("PATCH", `${core}${path}`, body, "application/merge-patch+json");
    if (status !== 200) throw new Error(`${path}: ${status}`);
  };
  const until = async (path: string, done: (body: KubeObject) => boolean): Promise<void> => {
    await waitFor(
      path,
      async () => {
        if (cache.stopped()) throw new Error("stopped");
        const { status, body } = await cluster.request<KubeObject>("GET", path);
        return status === 200 && done(body) ? true : undefined;
      },
      { deadlineMs: 60_000, detail: () => cache.log().join("") },
    );
  };
  const report = `${core}/configmaps/${nodeReportName({ name: NAME }, NODE)}`;
  const ready = (key: string): Promise<void> =>
    until(report, (object) => parseEntryReport(stringMapAt(object, "data")[key] ?? "")?.state === "ready");
  const auth = Buffer.from(`${alice.username}:${alice.password}`).toString("base64");
  const config = JSON.stringify({ auths: { [hub.host]: { auth } } });
  const metadata = { name: NAME, namespace };
  const secret = pullSecretName(metadata);
  await cluster.apply([
    { ...CORE, kind: "Secret", metadata: { name: secret, namespace }, stringData: { [early.key]: config } },
    { ...CORE, kind: "ConfigMap", metadata, data: { [early.key]: early.value } },
  ]);
  await ready(early.key);
  await merge(`/secrets/${secret}`, { stringData: { [late.key]: config } });
  await merge(`/configmaps/${NAME}`, { data: { [late.key]: late.value } });
  await ready(late.key);
  // An image that nobody has fails with the same words each time it is listed: one event, and one more of it.
  const missing = { key: "sha256-missing", value: `${hub.host}/demo/none@sha256:${"0".repeat(64)}` };
  const failures = (most: number): Promise<void> =>
    until(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`, ({ items }) =>
      (items as readonly EventObject[]).some(
        ({ reason, series }) => reason === "ImageError" && (series?.count ?? 1) >= most,
      ),
    );
  await merge(`/secrets/${secret}`, { stringData: { [missing.key]: config } });
  await merge(`/configmaps/${NAME}`, { data: { [missing.key]: missing.value } });
  await failures(1);
  await merge(`/configmaps/${NAME}`, { data: { [missing.key]: null } });
  await until(report, (object) => stringMapAt(object, "data")[missing.key] === undefined);
  await merge(`/configmaps/${NAME}`, { data: { [missing.key]: missing.value } });
  await failures(2);
}

interface EventObject {
  readonly reason: string;
  readonly series?: { readonly count: number };
}

function objectsIn(namespace: string): readonly KubeObject[] {
  const image = "registry.example/wasme:1";
  return buildCacheObjects({ name: NAME, namespace, image, imagePullPolicy: "Never", files: false });
}

/** The entry of an image that is made for the test and stored in the registry. */
async function stored(name: string): Promise<{ readonly key: string; readonly value: string }> {
  const reference = parseImageReference(name);
  const { manifestDigest } = await storeModule(
    { store: hub.store, signal: new AbortController().signal },
    {
      file: HELLO_WASM,
      title: name,
      reference,
      config: { config: { type: "envoy_proxy" }, path: undefined, schema: undefined },
      check: false,
      facts: { language: name, compiler: "none", sdk: "none", target: "none", builder: "native" },
      created: undefined,
      out: undefined,
    },
    ignoreEvents,
  );
  return cacheEntry({ reference, manifestDigest });
}

/** The error of a line of the log that tells of a lack of rights. */
function refusal(line: string): readonly { readonly message: string }[] {
  const { error } = JSON.parse(line) as { readonly error?: { readonly code?: string; readonly message: string } };
  return error?.code === "KUBE_FORBIDDEN" ? [error] : [];
}
