import { readFile } from "node:fs/promises";
import { digestOf } from "../../src/domain/digest.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { formatReference } from "../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../src/domain/resolved-image.ts";
import { migrate, type MigrateResult } from "../../src/deploy/migrate.ts";
import type { MigrateRequest } from "../../src/deploy/migrate-request.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type OldWasme, oldWasme } from "../support/old-wasme.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { type Bench, imageOf, openBench } from "./deploy-support.ts";

/** A namespace in which the old tool worked, and `wasme migrate` as a user of it runs it. */
export interface MigrateBench extends Bench {
  readonly old: OldWasme;
  /** What the registry has, by reference; images of it are `imageOf` that reference unless set here. */
  readonly images: Map<string, ResolvedImage | WasmeError>;
  migrate(more?: Partial<MigrateRequest>, hooks?: MigrateHooks): Promise<MigrateResult>;
  /** Everything a user could tell apart, with the namespaces' names taken out. */
  state(): Promise<unknown>;
  /** What was said. */
  lines(): string;
}

/** Ways to look into a run. */
export interface MigrateHooks {
  readonly kubeconfig?: string;
  readonly confirm?: (message: string) => Promise<boolean>;
  readonly askImage?: (message: string) => Promise<string>;
  /** Stands between the run and the server. */
  readonly between?: (port: KubePort) => KubePort;
}

/**
 * Opens a bench in a fresh namespace, with an old cache of its own. `alone`: its runs see no old filter of another
 * namespace, which would need the old cache, too; so several may work side by side.
 */
export async function openMigrateBench(
  client: ClusterClient,
  prefix: string,
  options: { readonly alone?: boolean } = {},
): Promise<MigrateBench> {
  const bench = await openBench(client, prefix);
  const { namespace, cacheNamespace } = bench;
  const admin = await client.adminKubeconfig(namespace);
  const images: MigrateBench["images"] = new Map();
  const run: MigrateBench["migrate"] = async (more = {}, hooks = {}) => {
    const sink = (event: ProgressEvent): void => void bench.events.push(event);
    const open = { file: hooks.kubeconfig ?? admin, env: {}, cwd: "/" };
    const deps = {
      connect: async () => {
        const connected = await connectCluster({ clock: systemClock, events: sink }, open);
        const port = options.alone === true ? aloneIn(namespace, connected) : connected;
        return hooks.between?.(port) ?? port;
      },
      resolveImage: async (reference: ResolvedImage["reference"]) => {
        const image = images.get(formatReference(reference)) ?? imageOf(formatReference(reference));
        if (image instanceof WasmeError) throw image;
        return image;
      },
      readModule: async () => await readFile(HELLO_WASM),
      clock: systemClock,
      confirm: hooks.confirm ?? (async () => true),
      ...(hooks.askImage === undefined ? {} : { askImage: hooks.askImage }),
    };
    return await migrate(deps, { ...requestIn(namespace, cacheNamespace), ...more }, sink);
  };
  return {
    ...bench,
    images,
    old: oldWasme(client, { namespace, cacheNamespace }),
    migrate: run,
    state: async () => await stateOf(client, { namespace, cacheNamespace }),
    lines: () => bench.events.map((event) => ("message" in event ? event.message : "")).join("\n"),
  };
}

/** A few at a time, each with a namespace and a cache of its own: for benches that are `alone`. */
export async function inGroups<T, R>(all: readonly T[], run: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += GROUP) {
    results.push(...(await Promise.all(all.slice(at, at + GROUP).map((one) => run(one)))));
  }
  return results;
}

const GROUP = 3;

function aloneIn(namespace: string, port: KubePort): KubePort {
  return {
    ...port,
    list: async (selection, signal) => {
      const wide = selection.kind === Kinds.envoyFilter && selection.namespace === undefined;
      return await port.list(wide ? { ...selection, namespace } : selection, signal);
    },
  };
}

/** The module of what {@link imageOf} gives for a reference, as 64 digits. */
export function moduleOf(reference: string): string {
  return digestOf(`module of ${reference}`).slice("sha256:".length);
}

function requestIn(namespace: string, cacheNamespace: string): MigrateRequest {
  return {
    namespace,
    allNamespaces: false,
    images: [],
    via: "envoyfilter",
    delivery: "cache-file",
    pullSecret: undefined,
    cache: {
      name: "wasme-cache",
      namespace: cacheNamespace,
      image: "registry.example.com/wasme:0.1.0",
      imagePullPolicy: "IfNotPresent",
      timeoutMs: 30_000,
    },
    istiod: { namespace, name: "istiod" },
    check: true,
    dryRun: undefined,
    forceConflicts: false,
    wait: true,
    timeoutMs: 30_000,
  };
}

interface Place {
  readonly namespace: string;
  readonly cacheNamespace: string;
}

/** Nothing a controller or the server writes by itself. */
async function stateOf(client: ClusterClient, place: Place): Promise<unknown> {
  const found: unknown[] = [];
  for (const [namespace, group, plural] of collections(place)) {
    const base = group === "v1" ? "/api/v1" : `/apis/${group}`;
    const { body } = await client.request<{ items?: KubeObject[] }>("GET", `${base}/namespaces/${namespace}/${plural}`);
    for (const { metadata, ...rest } of body.items ?? []) {
      if (metadata.name === "kube-root-ca.crt" || metadata.name === "default") continue;
      // The nodes' own reports: they follow the list a moment later.
      if (metadata.labels?.["wasme.io/node"] !== undefined) continue;
      const { status: _status, ...fields } = rest;
      const { name, labels, annotations, ownerReferences } = metadata;
      const notes = { ...annotations };
      delete notes["deployment.kubernetes.io/revision"];
      delete notes["deprecated.daemonset.template.generation"];
      found.push({ plural, name, labels, annotations: notes, ownerReferences, ...fields });
    }
  }
  const space = await client.request<KubeObject>("GET", `/api/v1/namespaces/${place.cacheNamespace}`);
  if (space.status === 200 && space.body.metadata["deletionTimestamp"] === undefined)
    found.push(space.body.metadata.labels);
  const addresses = /"clusterIPs?":(?:"[^"]*"|\[[^\]]*\]),/gu;
  const text = JSON.stringify(found)
    .replaceAll(addresses, "")
    .replaceAll(place.cacheNamespace, "CACHE")
    .replaceAll(place.namespace, "NS");
  return JSON.parse(text) as unknown;
}

function collections({ namespace, cacheNamespace }: Place): readonly (readonly [string, string, string])[] {
  const inside = [
    ["networking.istio.io/v1alpha3", "envoyfilters"],
    ["extensions.istio.io/v1alpha1", "wasmplugins"],
    ["extensions.istio.io/v1alpha1", "trafficextensions"],
    ["apps/v1", "deployments"],
    ["apps/v1", "statefulsets"],
    ["apps/v1", "daemonsets"],
  ] as const;
  const cache = [
    ["v1", "configmaps"],
    ["v1", "serviceaccounts"],
    ["v1", "services"],
    ["v1", "secrets"],
    ["apps/v1", "daemonsets"],
    ["rbac.authorization.k8s.io/v1", "roles"],
    ["rbac.authorization.k8s.io/v1", "rolebindings"],
  ] as const;
  return [
    ...inside.map(([group, plural]) => [namespace, group, plural] as const),
    ...cache.map(([group, plural]) => [cacheNamespace, group, plural] as const),
  ];
}
