import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { ABI_VERSIONS, abiMarker } from "../../src/domain/abi-version.ts";
import { CALLBACKS } from "../../src/wasm/callbacks.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { buildDefaultBootstrap, LISTENER_NAME } from "../../src/mesh/default-bootstrap.ts";
import { insertIntoBootstrap } from "../../src/mesh/envoy-bootstrap.ts";
import { buildEnvoyFilter } from "../../src/mesh/envoy-filter.ts";
import type { KubernetesObject } from "../../src/mesh/kubernetes-object.ts";
import { MODULE_DIRECTORY, modulePath } from "../../src/mesh/module-path.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { PROXY_IMPORTS, WASI_IMPORTS, WASI_MODULES } from "../../src/wasm/host-imports.ts";
import type { FunctionType } from "../../src/wasm/types.ts";
import { envoyPath, startEnvoy, validateEnvoy } from "../components/envoy.ts";
import { rawRequest } from "../components/raw-http.ts";
import { need } from "../components/require-component.ts";
import { FAULTY_MODULES, LOADED_BUT_FATAL, SOUND_MODULES } from "../support/module-corpus.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { MODULE_DIGEST, request } from "../unit/mesh/request.ts";
import { wasmBootstrap } from "../support/wasm-bootstrap.ts";
import { filterModule, type FunctionShape, type ImportSpec } from "../support/wasm-builder.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "wasme-accepts-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Whether the real Envoy loads and links the module as an HTTP filter, and what it says otherwise. */
async function envoyLoads(context: TestContext, module: Uint8Array): Promise<{ loads: boolean; log: string }> {
  await need(context, "envoy", envoyPath);
  await writeFile(join(directory, "module.wasm"), module);
  const { code, log } = await validateEnvoy({ config: wasmBootstrap("module.wasm"), directory });
  return { loads: code === 0, log };
}

describe("the check and a real Envoy agree", () => {
  for (const [title, module] of SOUND_MODULES) {
    it(`Envoy takes ${title}`, async (context) => {
      const { loads, log } = await envoyLoads(context, module);
      expect(loads, log).toBe(checkModule(module).ok);
      expect(loads, log).toBe(true);
    });
  }

  for (const [title, module] of FAULTY_MODULES) {
    it(`Envoy refuses ${title}`, async (context) => {
      const { loads, log } = await envoyLoads(context, module);
      expect(loads, log).toBe(LOADED_BUT_FATAL.has(title));
      expect(checkModule(module).ok).toBe(false);
    });
  }
});

describe("our tables are Envoy's", () => {
  for (const abi of ABI_VERSIONS) {
    it(`Envoy links every host function we list for ABI ${abi}, and only with these types`, async (context) => {
      const proxy = PROXY_IMPORTS.filter((item) => item.abis.includes(abi)).map((item) => asImport("env", item));
      const wasi = WASI_MODULES.flatMap((module) => WASI_IMPORTS.map((item) => asImport(module, item)));
      const { loads, log } = await envoyLoads(context, filterModule({ imports: [...proxy, ...wasi] }, abiMarker(abi)));
      expect(loads, log).toBe(true);
    });

    it(`Envoy offers none of the others to ABI ${abi}`, async (context) => {
      for (const item of PROXY_IMPORTS.filter((host) => !host.abis.includes(abi))) {
        const module = filterModule({ imports: [asImport("env", item)] }, abiMarker(abi));
        const { loads, log } = await envoyLoads(context, module);
        expect(loads, item.name).toBe(false);
        expect(log).toContain(`missing import: env.${item.name}`);
      }
    });

    it(`Envoy takes every callback we list for ABI ${abi}`, async (context) => {
      const callbacks = CALLBACKS.filter((item) => item.abis.includes(abi));
      const functions = callbacks.map((item) => ({ export: item.name, ...shapeOf(item.type) }));
      const { loads, log } = await envoyLoads(context, filterModule({ functions }, abiMarker(abi)));
      expect(loads, log).toBe(true);
    });
  }

  it("Envoy refuses each callback with another type", async (context) => {
    for (const { name, abis } of CALLBACKS) {
      const functions = [{ export: name, params: "dd", result: "d" }];
      const module = filterModule({ functions }, abiMarker(abis[0] ?? "0.2.1"));
      const { loads, log } = await envoyLoads(context, module);
      expect(loads, name).toBe(false);
      expect(log).toContain(`Bad function signature for: ${name}`);
    }
  });
});

describe("what we put into a cluster runs in a real Envoy", () => {
  it("the patch value of an EnvoyFilter, unchanged but for the folder of the module", async (context) => {
    await need(context, "envoy", envoyPath);
    const object = buildEnvoyFilter(request({ rootId: "", config: "here" }, { delivery: "cache-file" }));
    const value = patchValue(object);
    const base = buildDefaultBootstrap({
      listen: { address: "127.0.0.1", port: 0 },
      admin: { address: "127.0.0.1", port: 0 },
    });
    const { bootstrap, inserted } = insertIntoBootstrap(base, value);
    expect(inserted).toBe(1);
    const config = JSON.stringify(bootstrap).replace(MODULE_DIRECTORY, directory);
    await copyFile(HELLO_WASM, join(directory, basename(modulePath(MODULE_DIGEST))));
    const envoy = await startEnvoy({ config, directory });
    try {
      const { status, headers } = await rawRequest({ url: await envoy.listenerUrl(LISTENER_NAME) });
      expect([status, headers["hello"]]).toEqual([200, "here"]);
    } finally {
      await envoy.stop();
    }
  });
});

function patchValue(object: KubernetesObject): JsonObject {
  const spec = object["spec"] as {
    readonly configPatches: readonly { readonly patch: { readonly value: JsonObject } }[];
  };
  return spec.configPatches[0]?.patch.value ?? {};
}

function asImport(module: string, item: { readonly name: string; readonly type: FunctionType }): ImportSpec {
  return { module, name: item.name, ...shapeOf(item.type) };
}

function shapeOf(type: FunctionType): FunctionShape {
  return { params: letters(type.params), result: letters(type.results) };
}

function letters(types: readonly string[]): string {
  return types.map((name) => (name === "i64" ? "l" : "i")).join("");
}
