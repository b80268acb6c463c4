import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Host } from "../../src/host/host.ts";
import { loadModule } from "../../src/host/load-module.ts";
import { ModuleRefused } from "../../src/host/module-refused.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import { envoyPath, validateEnvoy } from "../components/envoy.ts";
import { component } from "../components/require-component.ts";
import { buildModule, filterFunctions, filterModule } from "../support/wasm-builder.ts";
import { wasmBootstrap } from "../support/wasm-bootstrap.ts";

const envoy = await component("envoy", envoyPath);
const missing = "skip" in envoy ? envoy.skip : "";
const ZERO = [0x41, 0x00];
const UNREACHABLE = [0x00];
const callFirstImport = [0x10, 0x00];

/** Modules that no host loads or starts, each for one reason. */
const REFUSED: Readonly<Record<string, Uint8Array>> = {
  "not wasm": new TextEncoder().encode("#!/bin/sh"),
  "cut off": filterModule().slice(0, 40),
  "no marker": buildModule({ functions: filterFunctions().slice(1) }),
  "an unknown import": filterModule({ imports: [{ name: "proxy_no_such_thing", result: "i" }] }),
  "an import of another type": filterModule({
    imports: [{ name: "proxy_set_tick_period_milliseconds", params: "ii", result: "i" }],
  }),
  "an import of a newer ABI": filterModule(
    { imports: [{ name: "proxy_get_log_level", params: "i", result: "i" }] },
    "proxy_abi_version_0_2_0",
  ),
  "an export of another type": filterModule({
    functions: [{ export: "proxy_on_foreign_function", params: "iii", result: "i" }],
  }),
  "a 0.1.0 module with newer header callbacks": filterModule(
    { functions: [{ export: "proxy_on_request_headers", params: "iii", result: "i" }] },
    "proxy_abi_version_0_1_0",
  ),
  "a trap in configure": filterModule({
    functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body: UNREACHABLE }],
  }),
  "a rejected configuration": filterModule({
    functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body: ZERO }],
  }),
  "a VM that does not start": filterModule({
    functions: [{ export: "proxy_on_vm_start", params: "ii", result: "i", body: ZERO }],
  }),
  "a call that start code may not make": buildModule({
    imports: [{ name: "proxy_done", result: "i" }],
    functions: [...filterFunctions().slice(0, 2), { export: "_initialize", body: [...callFirstImport, 0x1a] }],
  }),
};

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "wasme-refusals-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Why the host does not take the module, in Envoy's words. */
function refusal(bytes: Uint8Array): string | undefined {
  try {
    const clock = { now: () => 0n, monotonic: () => 0n };
    const host = new Host({ environment: { clock, random: () => undefined, log: () => undefined } });
    const started = host.start(loadModule(bytes), pluginConfig({ configuration: "x" }));
    return started.started ? undefined : started.message;
  } catch (error) {
    if (error instanceof ModuleRefused) return error.message;
    throw error;
  }
}

describe.skipIf(missing !== "")(`modules Envoy refuses${missing && `: ${missing}`}`, () => {
  it.each(Object.entries(REFUSED))("%s, in the same words", async (_title, bytes) => {
    await writeFile(join(directory, "module.wasm"), bytes);
    const { code, log } = await validateEnvoy({ config: wasmBootstrap("module.wasm", "x"), directory });
    expect(code).toBe(1);
    const words = refusal(bytes);
    expect(words?.length).toBeGreaterThan(20);
    expect(log).toContain(words);
  });

  it("and takes one of which nothing is wrong", async () => {
    await writeFile(join(directory, "module.wasm"), filterModule());
    expect((await validateEnvoy({ config: wasmBootstrap("module.wasm", "x"), directory })).code).toBe(0);
    expect(refusal(filterModule())).toBeUndefined();
  });
});
