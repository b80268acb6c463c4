import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseFilterDeployment } from "../../src/domain/filter-deployment.ts";
import { filterDeploymentCrd } from "../../src/mesh/filter-deployment-crd.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";

const cluster = await component("cluster", () => startCluster({ nodes: 0, crds: "none" }));
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Definition {
  readonly spec: { readonly versions: readonly { readonly schema: unknown }[] };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

interface Status {
  readonly message: string;
}

describe.skipIf("skip" in cluster)("the kind FilterDeployment on a real server", () => {
  let client: Cluster;
  let base: string;
  beforeAll(async () => {
    if (!("ready" in cluster)) return;
    client = cluster.ready;
    await client.apply({ ...filterDeploymentCrd, metadata: { ...filterDeploymentCrd.metadata } });
    base = `/apis/wasme.io/v1/namespaces/${await client.namespace("crd")}/filterdeployments`;
    await waitFor("the kind to be served", async () =>
      (await client.request("GET", base)).status === 200 ? true : undefined,
    );
  });
  afterAll(async () => {
    if ("ready" in cluster) await cluster.ready.stop();
  });

  const create = async (name: string, fields: object, query = ""): Promise<{ status: number; body: unknown }> => {
    const object = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", metadata: { name }, ...fields };
    return client.request("POST", `${base}${query}`, object);
  };

  it("is structural, keeps its rules and has nothing the server complains about", async () => {
    const { body } = await client.request<Definition>("GET", `${CRDS}/filterdeployments.wasme.io`);
    const conditions = Object.fromEntries(body.status.conditions.map(({ type, status }) => [type, status]));
    expect(conditions).toMatchObject({ NamesAccepted: "True", Established: "True" });
    expect(conditions["NonStructuralSchema"]).toBeUndefined();
    expect(JSON.stringify(body.spec.versions[0]?.schema)).toContain("x-kubernetes-validations");
  });

  it("refuses what is wrong in the new fields, and says what to write", async () => {
    const refused = async (filter: object, istio: object = {}): Promise<string> => {
      const { status, body } = await create("bad", { spec: { filter, deployment: { istio } } });
      expect(status).toBe(422);
      return (body as Status).message;
    };
    expect(await refused({ phase: "authn" }, { via: "envoyfilter" })).toContain(
      "an EnvoyFilter cannot express a phase",
    );
    expect(await refused({ failStrategy: "maybe" })).toContain('supported values: "closed", "open", "reload"');
    expect(await refused({ priority: "high" })).toContain("spec.filter.priority");
    expect(await refused({}, { delivery: "pigeon" })).toContain('"cache-http"');
    const typo = await create("typo", { spec: { filter: { imgae: "x" } } }, "?fieldValidation=Strict");
    expect((typo.body as Status).message).toContain('unknown field "spec.filter.imgae"');
  });

  it("shows columns to kubectl", async () => {
    await create("columns", { spec: { filter: { image: "example.com/a:1" }, deployment: { istio: {} } } });
    const table = await fetchTable(client, `${base}/columns`);
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual([
      "Name",
      "Filter",
      "Image",
      "Ready",
      "Reason",
      "Message",
      "Age",
    ]);
    expect(table.rows[0]?.cells[2]).toBe("example.com/a:1");
  });

  it("takes every object the old definition could hold, and its status, without a crash of the parser", async () => {
    let serial = 0;
    await fc.assert(
      fc.asyncProperty(oldObject, async ({ spec, status }) => {
        const name = `old-${(serial += 1)}`;
        const created = await create(name, { spec });
        expect(created, JSON.stringify({ spec })).toMatchObject({ status: 201 });
        const path = `${base}/${name}`;
        const written = await client.request("PATCH", `${path}/status`, { status }, "application/merge-patch+json");
        expect(written, JSON.stringify({ status })).toMatchObject({ status: 200 });
        const live = (await client.request<{ metadata: { name: string }; spec?: unknown }>("GET", path)).body;
        const parsed = parseFilterDeployment(live);
        expect(parsed.spec === undefined ? parsed.problems.length : 1).toBeGreaterThan(0);
        const ours = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", status: { observedGeneration: 1 } };
        const applied = await client.request<{ status: unknown }>(
          "PATCH",
          `${path}/status?fieldManager=wasme-operator&force=true`,
          ours,
          "application/apply-patch+yaml",
        );
        expect(applied.status).toBe(200);
        expect(applied.body.status).toEqual({ observedGeneration: 1 });
      }),
      { numRuns: Number(process.env["WASME_CRD_RUNS"] ?? 60) },
    );
  });
});

interface Table {
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

async function fetchTable(client: Cluster, path: string): Promise<Table> {
  const { rawRequest } = await import("../components/raw-http.ts");
  const { readFile } = await import("node:fs/promises");
  const { text } = await rawRequest({
    url: client.server + path,
    ca: await readFile(client.caFile, "utf8"),
    headers: {
      authorization: `Bearer ${client.adminToken}`,
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    },
  });
  return JSON.parse(text) as Table;
}

/** Any JSON: the old definition had no schema. Numbers beyond 64 bits and lone surrogates are no JSON of a server. */
const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: true }).map((value) => structuredClone(value));
const mostly = <T>(usual: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 4, arbitrary: usual },
    { weight: 1, arbitrary: json },
    { weight: 1, arbitrary: fc.constant(null) },
  );
const word = fc.stringMatching(/^[a-zA-Z0-9./:@_-]{0,20}$/u);
const any = fc.record({
  "@type": fc.constantFrom("type.googleapis.com/google.protobuf.StringValue", "x"),
  value: json,
});

const filter = fc.record(
  {
    id: mostly(word),
    image: mostly(word),
    config: fc.oneof(any, json),
    rootID: mostly(word),
    imagePullOptions: fc.record(
      { pullSecret: mostly(word), insecureSkipVerify: mostly(fc.boolean()), plainHttp: mostly(fc.boolean()) },
      { requiredKeys: [] },
    ),
    patchContext: mostly(fc.constantFrom("inbound", "outbound", "gateway", "any")),
    somethingOfTheirs: json,
  },
  { requiredKeys: [] },
);
const istio = fc.record(
  {
    kind: mostly(fc.constantFrom("Deployment", "DaemonSet", "StatefulSet")),
    labels: mostly(fc.dictionary(word, mostly(word))),
    istioNamespace: mostly(word),
    other: json,
  },
  { requiredKeys: [] },
);
const maybe = <T>(usual: fc.Arbitrary<T>): fc.Arbitrary<unknown> => fc.option(usual, { nil: null });
const oldObject = fc.record({
  spec: fc.record(
    { filter: maybe(filter), deployment: maybe(fc.record({ istio: maybe(istio), gloo: json }, { requiredKeys: [] })) },
    { requiredKeys: [] },
  ),
  status: fc.record(
    {
      observedGeneration: fc.oneof(fc.nat().map(String), fc.nat(), word),
      workloads: mostly(
        fc.dictionary(
          fc.stringMatching(/^[a-z]{1,8}$/u),
          fc.record({ state: fc.constantFrom("Succeeded", "Failed", 1, 2), reason: word }, { requiredKeys: [] }),
        ),
      ),
      reason: mostly(word),
      theirs: json,
    },
    { requiredKeys: [] },
  ),
});
