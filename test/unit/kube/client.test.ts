import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { connectCluster } from "../../../src/kube/adapter.ts";
import { follow } from "../../../src/kube/follow.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { prepareKubeconfig } from "../../../src/kube/prepare-kubeconfig.ts";
import { exchange, IDLE_TIMEOUT } from "../../../src/kube/wire.ts";
import { type SteadyClock, systemClock } from "../../../src/platform/clock.ts";
import { waitFor } from "../../components/wait.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
interface Seen {
  readonly method: string | undefined;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly port: number | undefined;
}

/** A real server that plays an API server which is busy, forgetful or broken: a real one is not so on demand. */
describe("the Kubernetes client", () => {
  let server: Server;
  let folder: string;
  let port: KubePort;
  let script: Answer[];
  let seen: Seen[];
  const slept: number[] = [];
  const events: ProgressEvent[] = [];
  let later = 0;
  const clock: SteadyClock = {
    now: () => Date.now(),
    elapsed: () => systemClock.elapsed() + later,
    sleep: async (ms, signal) => {
      slept.push(ms);
      signal?.throwIfAborted();
    },
  };

  beforeEach(async () => {
    script = [];
    seen = [];
    slept.length = 0;
    events.length = 0;
    folder = await mkdtemp(join(tmpdir(), "wasme-kube-"));
    server = createServer((request, response) => {
      seen.push({
        method: request.method,
        url: request.url ?? "",
        authorization: request.headers.authorization,
        port: request.socket.remotePort,
      });
      request.resume();
      request.on("end", () => (script.shift() ?? json(500, { message: "the script is over" }))(request, response));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    await openWith({ token: "first" });
  });
  afterEach(async () => {
    port.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  const openWith = async (
    user: Record<string, unknown>,
    env: Record<string, string> = {},
    address?: string,
  ): Promise<void> => {
    const { port: number } = server.address() as AddressInfo;
    const config = {
      clusters: [{ name: "c", cluster: { server: address ?? `http://127.0.0.1:${number}` } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    const file = join(folder, "config");
    await writeFile(file, JSON.stringify(config));
    const deps = { clock, events: (event: ProgressEvent) => void events.push(event) };
    port = await connectCluster(deps, { file, env, cwd: folder });
  };
  const json =
    (status: number, body: unknown, headers: Record<string, string | string[]> = {}): Answer =>
    (_, response) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m", resourceVersion: "7" } };
  const get = (): Promise<unknown> => port.get({ kind: Kinds.configMap, name: "m", namespace: "n" });

  it("waits as long as a 429 asks, and a 503 with Retry-After too", async () => {
    script = [json(429, {}, { "retry-after": "2" }), json(503, {}, { "retry-after": "1" }), json(200, map)];
    expect(await get()).toEqual(map);
    expect(slept.map((ms, index) => ms / (index === 0 ? 2000 : 1000)).every((part) => part >= 1 && part < 1.25)).toBe(
      true,
    );
    expect(slept).toHaveLength(2);
    expect(new Set(slept.map((ms) => ms % 1000)).size).toBe(2);
  });

  it("gives up on a server that stays busy", async () => {
    script = Array.from({ length: 6 }, () => json(429, { message: "too many requests" }, { "retry-after": "1" }));
    await expect(get()).rejects.toMatchObject({ kind: "unreachable", code: "KUBE_OVERLOADED" });
    expect(seen).toHaveLength(6);
  });

  it("does not repeat what failed for good", async () => {
    script = [json(500, { message: "broken" })];
    await expect(get()).rejects.toMatchObject({ kind: "failed", code: "KUBE_FAILED" });
    expect(seen).toHaveLength(1);
  });

  it("uses one connection for all requests", async () => {
    script = Array.from({ length: 5 }, () => json(200, map));
    for (let round = 0; round < 5; round += 1) await get();
    expect(new Set(seen.map((request) => request.port)).size).toBe(1);
  });

  it("keeps its connection when credentials are read anew", async () => {
    script = [json(200, map), json(200, map)];
    await get();
    later += 61_000;
    await get();
    expect(new Set(seen.map((request) => request.port)).size).toBe(1);
  });

  it("answers beside any number of watches, which hold a connection each", async () => {
    const watches = 40;
    const open = (_: IncomingMessage, response: ServerResponse): void => response.flushHeaders();
    script = [...Array.from({ length: watches }, () => open), json(200, map)];
    const end = new AbortController();
    let opened = 0;
    const watch = async (): Promise<void> => {
      const all = port.watch({ kind: Kinds.configMap, namespace: "n" }, "1", end.signal, () => (opened += 1));
      for await (const event of all) throw new Error(`what says ${event.type}?`);
    };
    const watching = Promise.allSettled(Array.from({ length: watches }, watch));
    await waitFor("the watches", () => (opened === watches ? true : undefined));
    expect(await get()).toEqual(map);
    end.abort();
    await watching;
  });

  it("gives up a request that gets no connection in its time", async () => {
    const agent = new Agent({ maxSockets: 1 });
    const { port: number } = server.address() as AddressInfo;
    const request = { method: "GET", url: new URL(`http://127.0.0.1:${number}`), idleMs: 50 } as const;
    script = [() => undefined];
    const end = new AbortController();
    const first = exchange({ ...request, idleMs: 60_000 }, { headers: {}, agent }, end.signal);
    await expect(exchange(request, { headers: {}, agent })).rejects.toMatchObject({ cause: { code: IDLE_TIMEOUT } });
    end.abort();
    await expect(first).rejects.toThrow("aborted");
  });

  it("does not cut what is under way when a certificate is replaced", async () => {
    port.close();
    await writeFile(join(folder, "cert"), "old");
    await openWith({ "client-certificate": "cert", "client-key": "cert" });
    let answer: (() => void) | undefined;
    script = [
      json(200, map),
      (request, response) => void (answer = () => json(200, map)(request, response)),
      json(200, map),
      json(200, map),
    ];
    await get();
    const underWay = get();
    await waitFor("the request", () => answer);
    await writeFile(join(folder, "cert"), "new");
    later += 61_000;
    await get();
    answer?.();
    expect(await underWay).toEqual(map);
    await get();
    const [first, second, third, fourth] = seen.map((request) => request.port);
    expect([second, fourth]).toEqual([first, third]);
    expect(third).not.toBe(first);
    const open = promisify(server.getConnections.bind(server));
    await waitFor("the old connection's end", async () => ((await open()) === 1 ? true : undefined));
  });

  it("says that the server is away also when it leaves in the middle of a refusal", async () => {
    script = [
      (_, response) => {
        response.writeHead(403, { "content-length": "100" });
        response.write("{", () => response.destroy());
      },
    ];
    const watch = async (): Promise<void> => {
      for await (const { type } of port.watch({ kind: Kinds.configMap, namespace: "n" }, "1")) expect(type).toBe("");
    };
    await expect(watch()).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
  });

  it("replaces a kept connection that the server closed", async () => {
    script = [json(200, map), (request) => request.socket.destroy(), json(200, map)];
    await get();
    expect(await get()).toEqual(map);
  });

  it("says that a fresh connection broke", async () => {
    script = [(request) => request.socket.destroy()];
    await expect(get()).rejects.toMatchObject({ kind: "unreachable", code: "KUBE_UNREACHABLE" });
  });

  it("says that nobody listens", async () => {
    server.closeAllConnections();
    server.close();
    await expect(get()).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("ECONNREFUSED") as string,
    });
  });

  it("reads the token file again when the server no longer takes the token", async () => {
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, "old");
    port.close();
    await openWith({ tokenFile: "token" });
    script = [
      json(200, map),
      (request, response) => {
        void writeFile(tokenFile, "new\n").then(() => json(401, {})(request, response));
      },
      json(200, map),
    ];
    await get();
    await get();
    expect(seen.map((request) => request.authorization)).toEqual(["Bearer old", "Bearer old", "Bearer new"]);
  });

  it("asks again after credentials failed once: a token file that is being replaced is back the next moment", async () => {
    port.close();
    await openWith({ tokenFile: "token" });
    script = [json(200, map)];
    await expect(get()).rejects.toMatchObject({ code: "KUBE_CREDENTIALS" });
    await writeFile(join(folder, "token"), "late");
    await get();
    expect(seen.map((request) => request.authorization)).toEqual(["Bearer late"]);
  });

  it("asks for credentials only once more", async () => {
    script = [json(401, {}), json(401, {})];
    await expect(get()).rejects.toMatchObject({ kind: "unauthorised", code: "KUBE_UNAUTHORISED" });
    expect(seen).toHaveLength(2);
  });

  it("runs an exec plugin with what it expects to find, once for many requests", async () => {
    port.close();
    const program = join(folder, "plugin.mjs");
    await writeFile(
      program,
      `import { appendFileSync } from "node:fs";
       appendFileSync(${JSON.stringify(join(folder, "runs"))}, "x");
       const { apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
       console.log(JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token: process.env.SECRET + "-" + apiVersion } }));`,
    );
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: [program] };
    await openWith({ exec }, { SECRET: "shh" });
    script = [json(200, map), json(200, map)];
    await get();
    await get();
    const { readFile } = await import("node:fs/promises");
    expect(await readFile(join(folder, "runs"), "utf8")).toBe("x");
    expect(seen[0]?.authorization).toBe("Bearer shh-client.authentication.k8s.io/v1");
  });

  it("says that an exec plugin failed", async () => {
    port.close();
    await openWith({ exec: { apiVersion: "client.authentication.k8s.io/v1", command: "/no/such/plugin" } });
    await expect(get()).rejects.toMatchObject({ kind: "unauthorised", code: "KUBE_CREDENTIALS" });
  });

  it("acts as the user, groups, uid and extras the kubeconfig names", async () => {
    port.close();
    await openWith({
      token: "t",
      as: "jane",
      "as-groups": ["a", "b"],
      "as-uid": "7",
      "as-user-extra": { "x/y": ["z"] },
    });
    const headers: string[] = [];
    script = [
      (request, response) => {
        headers.push(...request.rawHeaders);
        json(200, map)(request, response);
      },
    ];
    await get();
    const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name.toLowerCase()}: ${headers[i + 1] ?? ""}`] : []));
    expect(pairs.filter((pair) => pair.startsWith("impersonate-")).toSorted()).toEqual([
      "impersonate-extra-x%2fy: z",
      "impersonate-group: a",
      "impersonate-group: b",
      "impersonate-uid: 7",
      "impersonate-user: jane",
    ]);
  });

  it("goes through the environment's proxy, unless the kubeconfig names one", async () => {
    const { port: number } = server.address() as AddressInfo;
    const settings = (more: object): object =>
      prepareKubeconfig({ clusters: [{ name: "c", cluster: { server: "https://k.example.com", ...more } }] }, env);
    const env = { HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${number}`, NO_PROXY: "in.example.com" };
    const proxied = { "proxy-url": `http://me:p%40ss@127.0.0.1:${number}/` };
    expect(settings({})).toMatchObject({ clusters: [{ cluster: proxied }] });
    expect(settings({ "proxy-url": "socks5://own" })).toMatchObject({
      clusters: [{ cluster: { "proxy-url": "socks5://own" } }],
    });
    expect(JSON.stringify(settings({ server: "https://in.example.com" }))).not.toContain("proxy-url");
    const connects: (string | undefined)[] = [];
    server.on("connect", (request, socket) => {
      connects.push(request.url, request.headers["proxy-authorization"]);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    port.close();
    await openWith({ token: "t" }, env, "https://k.example.com");
    await expect(get()).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
    expect(connects.slice(0, 2)).toEqual(["k.example.com:443", `Basic ${Buffer.from("me:p@ss").toString("base64")}`]);
  });

  it("goes on watching when the server is away for a moment, and gives up when it stays away", async () => {
    script = [
      json(200, { apiVersion: "v1", kind: "ConfigMapList", metadata: { resourceVersion: "10" }, items: [] }),
      ...Array.from({ length: 6 }, () => json(503, {}, { "retry-after": "1" })),
      (_, response) => response.end(`${JSON.stringify({ type: "ADDED", object: map })}\n`),
    ];
    const snapshots: string[][] = [];
    const watching = async (): Promise<void> => {
      for await (const objects of follow({ port, clock }, { kind: Kinds.configMap, namespace: "n" })) {
        snapshots.push([...objects.keys()]);
        if (snapshots.length === 2) server.closeAllConnections();
        if (snapshots.length === 2) server.close();
      }
    };
    await expect(watching()).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
    expect(snapshots).toEqual([[], ["m"]]);
  });

  it("tells each warning once", async () => {
    const warning = ['299 - "first, with a \\"quote\\""', '299 - "second"'];
    script = [json(200, map, { warning }), json(200, map, { warning })];
    await get();
    await get();
    expect(events).toEqual([
      { type: "warning", message: 'the cluster says: first, with a "quote"' },
      { type: "warning", message: "the cluster says: second" },
    ]);
  });

  it("does not take a web page for an API server", async () => {
    script = [(_, response) => response.end("<html>log in</html>")];
    await expect(get()).rejects.toMatchObject({
      code: "KUBE_FAILED",
      hint: expect.stringContaining("web page") as string,
    });
  });

  it("stops at an abort, with its reason", async () => {
    const abort = new AbortController();
    script = [() => abort.abort(new Error("stop"))];
    const request = port.get({ kind: Kinds.configMap, name: "m", namespace: "n" }, abort.signal);
    await expect(request).rejects.toThrow("stop");
  });

  it("lists anew when the server forgot the version, and goes on after a broken watch", async () => {
    const list = (version: string, names: string[]): Answer =>
      json(200, {
        apiVersion: "v1",
        kind: "ConfigMapList",
        metadata: { resourceVersion: version },
        items: names.map((name) => ({ metadata: { name } })),
      });
    const lines =
      (...values: unknown[]): Answer =>
      (_, response) => {
        response.writeHead(200);
        response.write(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
        response.end();
      };
    const named = (name: string, resourceVersion: string): object => ({ ...map, metadata: { name, resourceVersion } });
    script = [
      list("10", ["a"]),
      lines({ type: "ADDED", object: named("b", "11") }, { type: "BOOKMARK", object: named("", "12") }),
      (request) => request.socket.destroy(),
      lines({
        type: "ERROR",
        object: { apiVersion: "v1", kind: "Status", metadata: {}, code: 410, reason: "Expired" },
      }),
      list("20", ["c"]),
    ];
    // The third answer breaks a kept connection: the request is sent again and meets the fourth.
    const snapshots: string[][] = [];
    for await (const objects of follow({ port, clock }, { kind: Kinds.configMap, namespace: "n" })) {
      snapshots.push([...objects.keys()]);
      if (snapshots.length === 3) break;
    }
    expect(snapshots).toEqual([["a"], ["a", "b"], ["c"]]);
    const watches = seen.filter(({ url }) => url.includes("watch=true"));
    expect(watches.map(({ url }) => new URL(url, "http://x").searchParams.get("resourceVersion"))).toEqual([
      "10",
      "12",
      "12",
    ]);
  });
});
