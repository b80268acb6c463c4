import { readFile } from "node:fs/promises";
import { waitFor } from "../components/wait.ts";
import type { ClusterClient, KubeObject } from "./api.ts";
import { parseObjects } from "./client.ts";

/** Which of Istio's kinds a cluster has: all, none, or those named (`EnvoyFilter`, `WasmPlugin`, …). */
export type IstioKinds = "istio" | "none" | readonly string[];

interface Definition extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}

/**
 * Installs the definitions raw, by server-side apply: typed clients drop their CEL rules. Then lists every
 * served kind once, because the server answers the first request to a new kind with 429.
 */
export async function installIstioCrds(client: ClusterClient, file: string, kinds: IstioKinds): Promise<void> {
  if (kinds === "none") return;
  const all = parseObjects(await readFile(file, "utf8")) as readonly Definition[];
  const wanted = kinds === "istio" ? all : all.filter(({ spec }) => kinds.includes(spec.names.kind));
  if (kinds !== "istio" && wanted.length !== kinds.length) {
    throw new Error(`not all of ${kinds.join(", ")} are in ${all.map(({ spec }) => spec.names.kind).join(", ")}`);
  }
  await Promise.all(
    wanted.map(async (definition) => {
      await client.apply(definition);
      const { group, names, versions } = definition.spec;
      const served = versions.filter((version) => version.served);
      await Promise.all(served.map((version) => touch(client, `/apis/${group}/${version.name}/${names.plural}`)));
    }),
  );
}

async function touch(client: ClusterClient, path: string): Promise<void> {
  let last = 0;
  await waitFor(
    `${path} to be served`,
    async () => {
      last = (await client.request("GET", `${path}?limit=1`)).status;
      return last === 200 ? true : undefined;
    },
    { detail: () => `last status ${last}` },
  );
}
