import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../cluster/api.ts";
import { clusterProgram } from "../cluster/build.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { component } from "../components/require-component.ts";
import type { JudgedObject } from "../judge/start.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { workload } from "./deploy-support.ts";
import { installCache, openWindow, pluginFor, runCaches, type Window } from "./window-support.ts";

const FAULT_CACHE = fileURLToPath(new URL("../judge/fault-cache.mjs", import.meta.url));
const program = await component("cluster", clusterProgram);

describe.skipIf("skip" in program)("the judge of delivery, with faults planted", () => {
  let window: Window;
  let programs: PodPrograms | undefined;
  let modules: string;
  let module: Buffer;

  beforeAll(async () => {
    module = await readFile(HELLO_WASM);
    window = await openWindow();
  });
  afterAll(() => window.stop());
  afterEach(async () => {
    await programs?.stop();
    await rm(modules, { recursive: true, force: true });
    await window.cluster.request("DELETE", "/api/v1/namespaces/wasme/pods?gracePeriodSeconds=0");
  });

  /** A cache of this behaviour on both nodes, and four pods that will want the module. */
  const stage = async (answer: "hold" | "404" | "cut"): Promise<string> => {
    const { cluster } = window;
    modules = await mkdtemp(join(tmpdir(), "wasme-modules-"));
    programs = await runCaches(window, {
      program: [process.execPath, FAULT_CACHE],
      env: { FAULT_MODULES: modules, FAULT_ANSWER: answer },
    });
    await installCache(window);
    const namespace = await cluster.namespace("planted");
    await cluster.apply(workload(namespace, { replicas: 4 }));
    return namespace;
  };
  const publish = async (): Promise<void> => {
    const name = createHash("sha256").update(module).digest("hex");
    await writeFile(join(modules, name), module);
  };
  const apply = async (object: KubeObject): Promise<JudgedObject> => {
    const [applied] = await window.cluster.apply(object);
    return applied as JudgedObject;
  };
  const verdict = async (object: JudgedObject): Promise<{ served: number; refused: number; reasons: string[] }> => {
    const report = await window.judge.heard(object, 4);
    const version = `${object.metadata.uid}@${object.metadata.generation}`;
    const { served = 0, refused = 0 } = report.versions[version] ?? {};
    const reasons = report.refusals.filter((each) => each.version === version).map(({ reason }) => reason);
    return { served, refused, reasons };
  };

  it("finds nothing where the module is there first, each node's proxies at their own cache", async () => {
    const namespace = await stage("hold");
    await publish();
    const slices = await window.cluster.eventually<Slices>(SLICES, ({ items }) => ready(items).length === 2);
    for (const { nodeName, hints } of ready(slices.items)) expect(hints?.forNodes).toEqual([{ name: nodeName }]);
    const object = await apply(pluginFor(namespace, module, window.cache));
    expect(await verdict(object)).toMatchObject({ served: 4, refused: 0 });
  });

  it("finds nothing where it comes while requests are held", async () => {
    const namespace = await stage("hold");
    const object = await apply(pluginFor(namespace, module, window.cache));
    await publish();
    expect(await verdict(object)).toMatchObject({ served: 4, refused: 0 });
  });

  it("turns red where 404 is answered instead of holding, and stays red when the module comes", async () => {
    const namespace = await stage("404");
    const object = await apply(pluginFor(namespace, module, window.cache));
    expect(await verdict(object)).toMatchObject({ served: 0, refused: 4 });
    await publish();
    const found = await verdict(object);
    expect(found).toMatchObject({ served: 0, refused: 4 });
    expect(found.reasons).toContain("status 404 after 1 try");
  });

  it("turns red where a body is cut", async () => {
    const namespace = await stage("cut");
    await publish();
    expect(await verdict(await apply(pluginFor(namespace, module, window.cache)))).toMatchObject({ refused: 4 });
  });

  it("turns red where the object is there before any cache", async () => {
    const namespace = await stage("hold");
    await publish();
    const { cluster, cache } = window;
    await cluster.request("DELETE", `/apis/apps/v1/namespaces/${cache.namespace}/daemonsets/${cache.name}`);
    await cluster.eventually<{ items: unknown[] }>(
      `/api/v1/namespaces/${cache.namespace}/pods`,
      ({ items }) => items.length === 0,
    );
    const found = await verdict(await apply(pluginFor(namespace, module, window.cache)));
    expect(found).toMatchObject({ served: 0, refused: 4 });
    expect(found.reasons[0]).toMatch(/connection refused after 5 tries$/u);
  });

  it("turns red where a file is named before it is on the node, and where it is not mounted", async () => {
    const namespace = await stage("hold");
    const { cluster, disks } = window;
    const mounts = {
      "sidecar.istio.io/userVolume": '[{"name":"m","hostPath":{"path":"/var/lib/wasme","type":"DirectoryOrCreate"}}]',
      "sidecar.istio.io/userVolumeMount": '[{"name":"m","mountPath":"/var/lib/wasme","readOnly":true}]',
    };
    await cluster.apply(workload(namespace, { name: "mounted", replicas: 4, annotations: mounts }));
    const path = "/var/lib/wasme/a.wasm";
    const bare = await apply(fileFilter(namespace, "web", path));
    const early = await apply(fileFilter(namespace, "mounted", path));
    expect(await verdict(bare)).toMatchObject({ served: 0, refused: 4 });
    expect(await verdict(early)).toMatchObject({ served: 0, refused: 4 });
    for (const node of ["node-1", "node-2"]) {
      await mkdir(join(disks, node, "var/lib/wasme"), { recursive: true });
      await writeFile(join(disks, node, path), module);
    }
    expect(await verdict(early)).toMatchObject({ served: 0, refused: 4 });
    const late = await apply({ ...fileFilter(namespace, "mounted", path), metadata: { name: "later", namespace } });
    expect(await verdict(late)).toMatchObject({ served: 4, refused: 0 });
  });
});

const SLICES =
  "/apis/discovery.k8s.io/v1/namespaces/wasme/endpointslices?labelSelector=kubernetes.io/service-name=wasme-cache";

interface Slices {
  readonly items: readonly { readonly endpoints: readonly Endpoint[] | null }[];
}

interface Endpoint {
  readonly nodeName: string;
  readonly conditions: { readonly ready: boolean };
  readonly hints?: { readonly forNodes: readonly { readonly name: string }[] };
}

function ready(slices: Slices["items"]): readonly Endpoint[] {
  return slices.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions.ready);
}

/** An EnvoyFilter that has the proxies read a local file. */
function fileFilter(namespace: string, app: string, filename: string): KubeObject {
  const filter = {
    name: "envoy.filters.network.http_connection_manager",
    subFilter: { name: "envoy.filters.http.router" },
  };
  const code = { local: { filename } };
  const wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
  const typed = { "@type": wasm, config: { vm_config: { runtime: "envoy.wasm.runtime.v8", code } } };
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { name: `${app}-file`, namespace },
    spec: {
      workloadSelector: { labels: { app } },
      configPatches: [
        {
          applyTo: "HTTP_FILTER",
          match: { context: "SIDECAR_INBOUND", listener: { filterChain: { filter } } },
          patch: { operation: "INSERT_BEFORE", value: { name: "hello", typed_config: typed } },
        },
      ],
    },
  };
}
