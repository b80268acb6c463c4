import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { clusterProgram } from "../cluster/build.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { aptProgram } from "./apt.ts";
import { buildahPath } from "./buildah.ts";
import { chromiumPath } from "./chromium.ts";
import { envoyPath } from "./envoy.ts";
import { cranePath, distributionPath, helmPath, kustomizePath, orasPath, zotPath } from "./go-programs.ts";
import { istioPullerPath } from "./istio-puller.ts";
import { inCi } from "./missing.ts";
import { podmanPrograms } from "./podman.ts";
import { registryPath } from "./registry-kinds.ts";
import { skopeoPath } from "./skopeo.ts";
import { fixture, helloFixtures } from "./wasm-fixtures.ts";

const installers: Readonly<Record<string, () => Promise<unknown>>> = {
  cluster: clusterProgram,
  envoy: envoyPath,
  registry: registryPath,
  skopeo: skopeoPath,
  chromium: chromiumPath,
  filters: () => Promise.all(helloFixtures.map((name) => fixture(name))),
  buildah: buildahPath,
  podman: podmanPrograms,
  umoci: () => aptProgram("umoci"),
  oras: orasPath,
  crane: cranePath,
  distribution: distributionPath,
  zot: zotPath,
  helm: helmPath,
  kustomize: kustomizePath,
  istio: istioPullerPath,
  zsh: () => aptProgram("zsh"),
  fish: () => aptProgram("fish"),
};

/** Shells only end-to-end tests use. */
const SHELLS: readonly string[] = ["zsh", "fish"];

/** A browser, podman, and registries, clients and Istio's puller to compare with: large or slow to build, and only integration tests use them. */
const OTHERS: readonly string[] = [
  "chromium",
  "podman",
  "oras",
  "crane",
  "distribution",
  "zot",
  "helm",
  "kustomize",
  "istio",
];

/**
 * Runs once before the tests, in vitest's main process. Installs the real components side by side, one line on
 * stderr for each: those that the folders of the run's test files need, or what `WASME_TEST_COMPONENTS` names
 * (`all`, `none`, or a list like `envoy,registry`). In CI a component that cannot be had ends the run; elsewhere
 * its tests are skipped. The shared cluster is started by the first test that asks for it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const wanted = wantedComponents(project);
  const failures = await installAll(wanted);
  if (inCi() && Object.keys(failures).length > 0) {
    throw new Error(`test components are missing:\n${Object.values(failures).join("\n")}`);
  }
  const desk = await openDesk();
  project.provide("components", { desk: desk.url, failures: { ...leftOut(wanted), ...failures } });
  return desk.close;
}

/** What the tests of a folder may ask for; folders that are not here need no real component. */
const needs: Readonly<Record<string, readonly string[]>> = {
  conformance: ["envoy", "filters"],
  differential: ["envoy", "filters"],
  e2e: Object.keys(installers).filter((name) => !OTHERS.includes(name)),
  integration: Object.keys(installers).filter((name) => !SHELLS.includes(name)),
};

function wantedComponents(project: TestProject): readonly string[] {
  const wish = process.env["WASME_TEST_COMPONENTS"];
  if (wish === undefined) {
    const folders = project.vitest.state.getPaths().map((path) => /[\\/]test[\\/](\w+)[\\/]/.exec(path)?.[1] ?? "");
    return [...new Set(folders.flatMap((folder) => needs[folder] ?? []))];
  }
  if (wish === "none") return [];
  const known = Object.keys(installers);
  const names = wish === "all" ? known : wish.split(",");
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return names;
  throw new Error(`WASME_TEST_COMPONENTS names ${unknown.join(", ")}: want all, none, or some of ${known.join(", ")}`);
}

/** What the variable names is all that the tests may use: the others count as missing. */
function leftOut(wanted: readonly string[]): Record<string, string> {
  if (process.env["WASME_TEST_COMPONENTS"] === undefined) return {};
  const absent = Object.keys(installers).filter((name) => !wanted.includes(name));
  return Object.fromEntries(absent.map((name) => [name, "left out by WASME_TEST_COMPONENTS"]));
}

async function installAll(names: readonly string[]): Promise<Record<string, string>> {
  const failures: Record<string, string> = {};
  await Promise.all(
    names.map(async (name) => {
      const started = performance.now();
      const line = (what: string): void => {
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        process.stderr.write(`test component ${name}: ${what} after ${seconds} s\n`);
      };
      const slow = setTimeout(
        () => line("still installing (first builds take some minutes, one after the other)"),
        20_000,
      );
      try {
        await installers[name]?.();
        line("ready");
      } catch (error) {
        failures[name] = error instanceof Error ? error.message : String(error);
        line(`MISSING: ${failures[name]}`);
      } finally {
        clearTimeout(slow);
      }
    }),
  );
  return failures;
}

/** Test files run in processes of their own; this loopback address is where they ask for the one shared cluster. */
async function openDesk(): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  let cluster: Promise<Cluster> | undefined;
  const server: Server = createServer((_request, response) => {
    cluster ??= startCluster();
    cluster.then(
      ({ server: url, caFile, adminToken, kubeconfigPath, directory }) =>
        response.end(JSON.stringify({ server: url, caFile, adminToken, kubeconfigPath, directory })),
      (error: unknown) => response.writeHead(500).end(describe(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await cluster?.then(
        (running) => running.stop(),
        () => undefined,
      );
    },
  };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n${describe(error.cause)}`;
}
