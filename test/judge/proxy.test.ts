import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../components/wait.ts";
import { type HandClock, handClock } from "./clock.ts";
import type { KubeObject } from "./kube.ts";
import { Ledger, type Report } from "./ledger.ts";
import { FakeProxy } from "./proxy.ts";
import { type ScriptedServer, scriptedServer, type Turn } from "./scripted-server.ts";
import { type FilterObject } from "./wanted.ts";

const MODULE = Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), Buffer.alloc(100, 7)]);
const SHA256 = createHash("sha256").update(MODULE).digest("hex");
const good: Turn = (response) => void response.end(MODULE);
const missing: Turn = (response) => void response.writeHead(404).end();

function pod(): KubeObject {
  return { metadata: { name: "web-1", namespace: "shop", uid: "pod", resourceVersion: "1" } };
}

function version(number: number, path = "x"): FilterObject {
  const source = { way: "http", url: `http://wasme-cache.wasme/${path}` } as const;
  return {
    title: "shop/WasmPlugin/web",
    version: `u@${number}`,
    namespace: "shop",
    labels: {},
    wanted: [{ source, sha256: SHA256, timeoutMs: 30_000 }],
  };
}

describe("a fake proxy", () => {
  let server: ScriptedServer;
  let clock: HandClock;
  let ledger: Ledger;
  let proxy: FakeProxy;
  let disks: string;

  const open = async (turns: readonly Turn[]): Promise<void> => {
    clock = handClock();
    server = await scriptedServer(clock, turns);
    ledger = new Ledger(() => clock.now());
    ledger.sawNode("node-1");
    const image = async (): Promise<never> => {
      throw new Error("no images here");
    };
    proxy = new FakeProxy(
      pod(),
      { node: "node-1", mounts: [] },
      {
        clock,
        random: () => 0.5,
        ledger,
        disks: { root: disks, image },
        resolveFrom: () => () => ({ host: "127.0.0.1", port: server.port }),
        pushDelay: () => 0,
      },
    );
    ledger.sawVersion("u@1", "x");
    ledger.sawVersion("u@2", "x");
    ledger.sawVersion("u@3", "x");
  };
  const push = async (object: FilterObject): Promise<Report> => {
    proxy.set(object, "push");
    clock.advance(1);
    return settled();
  };
  const settled = (): Promise<Report> =>
    waitFor("the proxy", () => (proxy.busy() ? undefined : ledger.report(0)), { deadlineMs: 20_000 });

  beforeEach(async () => {
    disks = await mkdtemp(join(tmpdir(), "wasme-proxy-"));
  });
  afterEach(async () => {
    proxy.stop();
    server.close();
    await rm(disks, { recursive: true, force: true });
  });

  it("asks once, and not again when the same object or the same module comes by", async () => {
    await open([good]);
    await waitFor("its start", () => (proxy.busy() ? undefined : true));
    await push(version(1));
    await push(version(1));
    expect(await push(version(2))).toMatchObject({ pairs: 2, refused: 0, requests: 1 });
  });

  it("stays refused until the next push, and the pair for ever", async () => {
    await open([missing, good]);
    expect(await push(version(1))).toMatchObject({ pairs: 1, refused: 1, requests: 1 });
    clock.advance(3_600_000);
    expect(await settled()).toMatchObject({ requests: 1 });
    expect(await push(version(2))).toMatchObject({ pairs: 2, refused: 1, requests: 2 });
  });

  it("asks anew after a restart: what it fetched is forgotten", async () => {
    await open([good, missing]);
    await push(version(1));
    proxy.restart();
    expect(await settled()).toMatchObject({ pairs: 1, refused: 1, requests: 2, restarts: 1 });
  });

  it("does not ask for what came and went while it was asking", async () => {
    await open([missing]);
    proxy.set(version(1), "push");
    proxy.drop(version(1).title);
    proxy.set(version(3), "push");
    proxy.drop(version(3).title);
    clock.advance(1);
    expect(await settled()).toMatchObject({ requests: 1, refused: 1 });
  });

  it("counts what is refused on a node that came later apart", async () => {
    await open([missing]);
    const late = new Ledger(() => clock.now());
    late.sawVersion("u@1", "x");
    clock.advance(10);
    late.sawNode("node-2");
    const question = { podUid: "p", pod: "shop/p", node: "node-2", object: "x", version: "u@1" };
    late.refused(question, "no", []);
    expect(late.report(0)).toMatchObject({ pairs: 1, refused: 0, lateNodePairs: 1, lateNodeRefused: 1 });
  });
});
