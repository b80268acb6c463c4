import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { deployIstio } from "../../../src/deploy/deploy-istio.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import type { DeployRequest } from "../../../src/deploy/request.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { imageOf, workload } from "../../integration/deploy-support.ts";
import { HELLO_WASM } from "../../support/modules.ts";

const GOLDEN = new URL("../../golden/deploy/", import.meta.url).pathname;

const REQUEST: DeployRequest = {
  image: imageOf("registry.example.com/team/hello:v1").reference,
  id: "hello",
  config: "world",
  rootId: undefined,
  patchContext: "inbound",
  priority: 10,
  failurePolicy: "closed",
  phase: undefined,
  workloads: { kind: "Deployment", namespace: "shop", labels: { app: "web" } },
  via: "auto",
  delivery: "auto",
  pullSecret: undefined,
  cache: {
    name: "wasme-cache",
    namespace: "wasme",
    image: "registry.example.com/wasme:0.1.0",
    imagePullPolicy: "IfNotPresent",
    timeoutMs: 60_000,
  },
  check: true,
  dryRun: "client",
  manifests: [],
  forceConflicts: false,
  wait: true,
  timeoutMs: 1000,
};

async function run(
  more: Partial<DeployRequest> = {},
  stdin = "",
  image: Partial<ResolvedImage> = {},
): Promise<{ yaml: string; notes: string[]; from: string[] }> {
  const notes: string[] = [];
  const from: string[] = [];
  const deps = {
    connect: () => Promise.reject(new Error("a cluster was asked")),
    resolveImage: async (_: unknown, source: "registry" | "store") => {
      from.push(source);
      return imageOf("registry.example.com/team/hello:v1", { source, ...image });
    },
    readModule: async () => await readFile(HELLO_WASM),
    readStdin: async () => stdin,
    clock: systemClock,
    cwd: "/",
  };
  const events = (event: ProgressEvent): void => void (event.type === "milestone" && notes.push(event.message));
  const { objects } = await deployIstio(deps, { ...REQUEST, ...more }, events);
  // How the node cache is made has golden files of its own; what a deploy adds is its list.
  const shown = objects.filter(({ kind, metadata }) => kind === "ConfigMap" || isOfUser(kind, metadata.namespace));
  return { yaml: shown.map((object) => stringify(object, { version: "1.1" })).join("---\n"), notes, from };
}

function isOfUser(kind: string, namespace: string | undefined): boolean {
  return kind !== "Namespace" && namespace !== "wasme";
}

/** The golden file; with `UPDATE_GOLDEN=1` it is written first. */
async function golden(name: string, text: string): Promise<string> {
  const path = join(GOLDEN, name);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    await mkdir(GOLDEN, { recursive: true });
    await writeFile(path, text);
  }
  return readFile(path, "utf8");
}

describe("deploy istio without a cluster", () => {
  it("prints cache and EnvoyFilter, resolves in the local store, and says what it could not know", async () => {
    const { yaml, notes, from } = await run();
    expect(yaml).toBe(await golden("client-envoyfilter.yaml", yaml));
    expect(from).toEqual(["store"]);
    expect(notes.join("\n")).toMatch(/by EnvoyFilter: there is no cluster to ask/u);
    expect(notes.join("\n")).toMatch(/sidecar\.istio\.io\/userVolumeMount='\[\{"mountPath":"\/var\/lib\/wasme"/u);
  });

  it.each(["wasmplugin", "trafficextension"] as const)("prints a single %s", async (via) => {
    const { yaml } = await run({ via, config: '{"greeting":"on"}', phase: "stats" });
    expect(yaml).toBe(await golden(`client-${via}.yaml`, yaml));
  });

  it.each([
    ["envoyfilter", "cache-http"],
    ["wasmplugin", "cache-http"],
    ["trafficextension", "image-volume"],
  ] as const)("prints a %s by %s", async (via, delivery) => {
    const { yaml, notes } = await run({ via, delivery, config: undefined }, "", { format: "compat" });
    expect(yaml).toBe(await golden(`client-${via}-${delivery}.yaml`, yaml));
    expect(notes).toContain(`delivery ${delivery}: asked for with --delivery`);
    expect(notes.join("\n").includes("sidecar.istio.io/userVolume=")).toBe(delivery === "image-volume");
  });

  it.each([
    ["My_App", "my-app-hello"],
    ["", "selected-hello"],
  ])("gives what selects by the label %j a name that a cluster takes", async (app, name) => {
    const { yaml } = await run({ via: "wasmplugin", config: "", workloads: { ...REQUEST.workloads, labels: { app } } });
    expect(yaml).toContain(`name: ${name}\n`);
  });

  it("refuses to promise credentials that it cannot copy", async () => {
    const attempt = run({ via: "wasmplugin", delivery: "cache-http", config: undefined, pullSecret: "regcred" });
    await expect(attempt).rejects.toMatchObject({ kind: "usage", code: "OPTIONS_CONFLICT" });
  });

  it("selects the whole namespace without labels", async () => {
    const { yaml } = await run({
      via: "wasmplugin",
      config: undefined,
      workloads: { ...REQUEST.workloads, labels: {} },
    });
    expect(yaml).not.toMatch(/selector|wasme\.io\/workload/u);
    expect(yaml).toMatch(/^ {2}name: hello$/mu);
  });

  it("adds the mount to manifests from stdin, and keeps everything else of them", async () => {
    const text = [
      { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "shop" }, spec: {} },
      workload("shop"),
      workload("shop", { name: "other" }),
      workload("elsewhere"),
    ]
      .map((object) => stringify(object))
      .join("---\n");
    const { yaml, from } = await run({ manifests: ["-"], dryRun: undefined }, text);
    expect(yaml).toBe(await golden("manifests-envoyfilter.yaml", yaml));
    expect(from).toEqual(["registry"]);
  });

  it("finds no workload before it looks for the image", async () => {
    const nobody = { ...REQUEST.workloads, labels: { app: "nobody" } };
    await expect(run({ manifests: ["-"], workloads: nobody }, stringify(workload("shop")))).rejects.toMatchObject({
      kind: "not-found",
      code: "WORKLOAD_NOT_FOUND",
      message: "no Deployment in manifest - has label app=nobody",
    });
  });

  it("refuses manifests with a server dry run", async () => {
    await expect(run({ manifests: ["-"], dryRun: "server" })).rejects.toMatchObject({
      kind: "usage",
      code: "OPTIONS_CONFLICT",
    });
  });
});
