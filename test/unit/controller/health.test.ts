import { connect } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { createHealth, type Health } from "../../../src/controller/health.ts";
import { startHealthServer } from "../../../src/controller/health-server.ts";
import type { HttpServer } from "../../../src/platform/http-server.ts";
import { waitFor } from "../../components/wait.ts";
import { memoryLog } from "../../support/memory-log.ts";

type Other = NonNullable<Parameters<typeof startHealthServer>[0]["other"]>;

describe("the health server", () => {
  let server: HttpServer | undefined;
  const log = memoryLog();
  afterEach(async () => {
    await server?.close(0);
    server = undefined;
  });

  const start = async (health: Health, other?: Other): Promise<HttpServer> => {
    log.entries.length = 0;
    server = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      health,
      log,
      ...(other === undefined ? {} : { other }),
    });
    return server;
  };
  const ask = async (path: string, method = "GET"): Promise<readonly [number, string]> => {
    const response = await fetch(`${server?.url ?? ""}${path}`, { method });
    return [response.status, await response.text()];
  };

  it("is well when nothing says otherwise, and does not know other paths", async () => {
    await start(createHealth());
    expect(await ask("/healthz")).toEqual([200, "ok\n"]);
    expect(await ask("/readyz")).toEqual([200, "ok\n"]);
    expect(await ask("/readyz", "HEAD")).toEqual([200, ""]);
    expect((await ask("/metrics"))[0]).toBe(404);
    expect((await ask("/"))[0]).toBe(404);
    expect((await ask("/healthzz"))[0]).toBe(404);
    expect(await ask("/readyz", "POST")).toEqual([405, "only GET and HEAD\n"]);
  });

  it("tells what is worth knowing and no reason to be red", async () => {
    const health = createHealth();
    let remark: string | undefined = "passed over:\nnot allowed";
    let trouble: string | undefined;
    health.addReady("list", () => trouble);
    health.addRemark("list", () => remark);
    await start(health);
    expect(await ask("/readyz")).toEqual([200, "[!]list: passed over: not allowed\nreadyz check passed\n"]);
    expect(await ask("/readyz/list")).toEqual([200, "[!]list: passed over: not allowed\nreadyz check passed\n"]);
    expect(await ask("/healthz")).toEqual([200, "ok\n"]);
    trouble = "away";
    const lines = "[-]list failed: away\n[!]list: passed over: not allowed\nreadyz check failed\n";
    expect(await ask("/readyz")).toEqual([503, lines]);
    [remark, trouble] = [undefined, undefined];
    expect(await ask("/readyz")).toEqual([200, "ok\n"]);
  });

  it("says what is not well, and only that", async () => {
    const health = createHealth();
    let trouble: string | undefined = "not yet\nat all";
    health.addReady("images", () => trouble);
    health.addReady("list", () => Promise.reject(new Error("token=abc is refused by https://me:pass@host")));
    health.addReady("disk", () => undefined);
    health.addAlive("loop", () => undefined);
    await start(health);
    expect(await ask("/readyz")).toEqual([
      503,
      "[-]images failed: not yet at all\n[-]list failed: token=abc is refused by https://***@host\nreadyz check failed\n",
    ]);
    expect((await ask("/healthz"))[0]).toBe(200);
    expect(await ask("/readyz/disk")).toEqual([200, "ok\n"]);
    expect((await ask("/readyz/images"))[0]).toBe(503);
    expect((await ask("/readyz/none"))[0]).toBe(404);
    trouble = undefined;
    health.addReady("list", () => undefined);
    expect(await ask("/readyz?verbose")).toEqual([200, "[+]images ok\n[+]list ok\n[+]disk ok\nreadyz check passed\n"]);
    health.addAlive("loop", () => "stuck");
    expect(await ask("/healthz")).toEqual([503, "[-]loop failed: stuck\nhealthz check failed\n"]);
  });

  it("is ready when reflectors have synced and can follow", async () => {
    const health = createHealth();
    let state: { readonly synced: boolean; readonly trouble?: string } = { synced: false };
    health.addReflector({ name: "configmaps in wasme", state: () => state });
    await start(health);
    expect(await ask("/readyz")).toEqual([503, "[-]configmaps in wasme failed: not synced yet\nreadyz check failed\n"]);
    state = { synced: true };
    expect((await ask("/readyz"))[0]).toBe(200);
    state = { synced: true, trouble: "not allowed to watch configmaps" };
    expect((await ask("/readyz"))[1]).toContain("not allowed to watch configmaps");
    expect((await ask("/readyz/configmaps%20in%20wasme"))[0]).toBe(503);
  });

  it("serves what else there is, and outlives it when it breaks", async () => {
    const metrics = { render: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", text: "up 1\n" }) };
    await start(createHealth({ metrics }), (request, response) => {
      if (request.url === "/throw") throw new Error("at once");
      if (request.url === "/reject") return Promise.reject(new Error("later"));
      response.end("mine");
      return undefined;
    });
    expect(await ask("/metrics")).toEqual([200, "up 1\n"]);
    expect(await ask("/module")).toEqual([200, "mine"]);
    expect(await ask("/throw")).toEqual([500, "internal error\n"]);
    expect(await ask("/reject")).toEqual([500, "internal error\n"]);
    expect(log.entries.map(({ fields }) => (fields["error"] as Error).message)).toEqual(["at once", "later"]);
    expect((await ask("/healthz"))[0]).toBe(200);
  });

  it("turns unready, finishes what is under way, then takes nothing more", async () => {
    const health = createHealth();
    let finish: (() => void) | undefined;
    const running = await start(health, (_request, response) => {
      response.write("first ");
      finish = () => response.end("last");
    });
    const slow = fetch(`${running.url}/slow`).then((response) => response.text());
    const idle = connect(running.port, "127.0.0.1");
    await once(idle, "connect");
    await waitFor("the request", () => finish);
    health.shutDown();
    expect((await ask("/readyz"))[1]).toContain("shutting down");
    let closed = false;
    const closing = running.close(30_000).then(() => (closed = true));
    await waitFor("the port to be closed", () =>
      ask("/healthz").then(
        () => undefined,
        () => true,
      ),
    );
    expect(closed).toBe(false);
    finish?.();
    expect(await slow).toBe("first last");
    idle.destroy();
    await closing;
  });

  it("cuts what does not end in its time", async () => {
    const running = await start(createHealth(), (_request, response) => void response.write("never"));
    const response = await fetch(`${running.url}/slow`);
    const text = response.text().then(
      () => "whole",
      () => "cut",
    );
    await running.close(50);
    expect(await text).toBe("cut");
  });

  it("says that the port is taken", async () => {
    const { port } = await start(createHealth());
    const again = startHealthServer({ host: "127.0.0.1", port, health: createHealth(), log });
    await expect(again).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  });
});
