import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import { type SpareEngine, spareEngine } from "../../src/sandbox/run/run-engine.ts";
import type { RunWorkerData } from "../../src/sandbox/run/run-worker.ts";
import { HELLO_WASM } from "../support/modules.ts";

const ignore = (): void => undefined;

function spare(): SpareEngine {
  return spareEngine({
    clusters: { http: new Map(), grpc: new Map() },
    events: { log: ignore, report: ignore, callout: ignore },
    hardLimitMs: 1000,
  });
}

function work(): RunWorkerData {
  return {
    module: loadModule(readFileSync(HELLO_WASM)),
    plugins: [pluginConfig({ name: "filter" })],
    profile: "envoy",
    logLevel: "info",
    clusters: [],
    properties: new Map(),
    upstreamAddress: "127.0.0.1:1",
  };
}

test("a thread held ready serves once it is told what", async () => {
  const ready = spare();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(ready.ended).toBe(false);
  const engine = ready.begin(work());
  onTestFinished(async () => await engine.stop());
  expect(await engine.start).toEqual({ started: true });
  await engine.stop();
  expect(await engine.ended).toMatchObject({ reason: "stopped" });
  expect(ready.ended).toBe(true);
});

test("a thread that ended while it waited says so, and starts nothing", async () => {
  const ready = spare();
  await ready.stop();
  expect(ready.ended).toBe(true);
  const engine = ready.begin(work());
  expect(await engine.start).toMatchObject({ started: false, reason: "stopped" });
});
