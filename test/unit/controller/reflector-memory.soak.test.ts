import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runOk } from "../../components/run.ts";

const COUNT = 10_000;
const PAGE = 500;

/** A Deployment as a cluster with a mesh has it: 2 KB of its own, 3 KB of managed fields. */
function deployment(index: number): object {
  const env = Array.from({ length: 12 }, (_, at) => ({
    name: `VARIABLE_${at}`,
    value: `value-${index}-${at}-of-this-one`,
  }));
  const labels = { app: `app-${index}`, "app.kubernetes.io/part-of": `shop-${index % 7}`, version: "v1" };
  const fields = Object.fromEntries(
    Array.from({ length: 60 }, (_, at) => [`f:field-${at}`, { [`k:{"name":"x-${at}"}`]: {} }]),
  );
  const managedFields = [1, 2].map((at) => ({ manager: `manager-${at}`, operation: "Update", fieldsV1: fields }));
  return {
    metadata: {
      name: `app-${index}`,
      namespace: `ns-${index % 50}`,
      uid: `uid-${index}`,
      resourceVersion: `${index}`,
      labels,
      managedFields,
    },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: `app-${index}` } },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "app", image: `registry/app-${index}:v1`, env }] },
      },
    },
    status: { readyReplicas: 3, observedGeneration: 1 },
  };
}

/** A server that only lists: a real one takes half a minute to be filled. */
describe("a reflector of ten thousand objects", () => {
  let server: Server;
  let folder: string;
  const open = new Set<ServerResponse>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-memory-"));
    server = createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? "/", "http://server");
      response.writeHead(200, { "content-type": "application/json" });
      if (searchParams.get("watch") === "true") {
        open.add(response);
        response.flushHeaders();
        return;
      }
      const from = Number(searchParams.get("continue") ?? 0);
      const items = Array.from({ length: PAGE }, (_, index) => deployment(from + index));
      const next = from + PAGE < COUNT ? { continue: String(from + PAGE) } : {};
      response.end(
        JSON.stringify({
          apiVersion: "apps/v1",
          kind: "DeploymentList",
          metadata: { resourceVersion: "1", ...next },
          items,
        }),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = {
      clusters: [{ name: "c", cluster: { server: address } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    };
    await writeFile(join(folder, "config"), JSON.stringify(config));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  it("keeps them without managed fields", async () => {
    const args = ["--expose-gc", PROGRAM, join(folder, "config")];
    const { stdout } = await runOk(process.execPath, args, { timeoutMs: 120_000 });
    const { size, found, heapBytes, maxRssBytes, cpuMs } = JSON.parse(stdout) as Measured;
    expect([size, found]).toEqual([COUNT, COUNT / 50]);
    const most = `${megabytes(maxRssBytes)} MB at most resident, ${(cpuMs / 1000).toFixed(1)} s of a processor`;
    console.log(`10,000 Deployments: ${megabytes(heapBytes)} MB of heap, ${most}`);
    // With them it is 123 MB.
    expect(megabytes(heapBytes)).toBeLessThan(60);
  }, 240_000);
});

const PROGRAM = fileURLToPath(new URL("../../support/reflector-memory.mjs", import.meta.url));

interface Measured {
  readonly size: number;
  readonly found: number;
  readonly heapBytes: number;
  readonly maxRssBytes: number;
  readonly cpuMs: number;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
