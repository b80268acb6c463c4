import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfigSchema } from "../../src/domain/config-schema.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { storeModule } from "../../src/images/store-module.ts";
import { openStore } from "../../src/store/image-store.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const SCHEMA = parseConfigSchema('{"type":"object","title":"a <b> & \\"c\\" é"}', "test");
const FACTS = {
  language: "rust",
  compiler: "rustc 1.95.0",
  sdk: "proxy-wasm 0.2.5",
  target: "wasm32-wasip1",
  optimizer: "binaryen 132.0.0 -Oz",
  builder: "native",
} as const;
const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } };

let hub: HubServer;
beforeAll(async () => (hub = await startHub()));
afterAll(async () => await hub.close());

/** Stores the module from a file of that name, and gives the digest of its manifest. */
async function build(home: string, name: string, file = HELLO_WASM): Promise<string> {
  const config = { config: CONFIG, path: join(home, "runtime-config.json"), schema: SCHEMA };
  const module = { file, title: "it", reference: parseImageReference(name), config, check: true, facts: FACTS };
  const store = openStore(join(home, ".wasme", "images"));
  const deps = { store, signal: new AbortController().signal };
  const { manifestDigest } = await storeModule(deps, { ...module, created: undefined, out: undefined }, ignoreEvents);
  return manifestDigest;
}

interface Inspected {
  readonly format: string;
  readonly build: unknown;
  readonly configSchema: unknown;
  readonly runtimeConfig: object | undefined;
  readonly manifest: { readonly layers: readonly unknown[] };
}

async function wasme(home: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, { home });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function inspect(home: string, name: string, ...options: string[]): Promise<Inspected> {
  return JSON.parse(await wasme(home, "inspect", name, "-o", "json", ...options)) as Inspected;
}

const KEPT = { build: FACTS, configSchema: SCHEMA.schema };

describe("how a module was built, and what its configuration may be", () => {
  it.for(["compat", "cncf", "oci"])("stay with the image in the format %s, and on the way back", async (format) => {
    const home = tempDir();
    await build(home, "hello:v1");
    await wasme(home, "convert", "hello:v1", "hello:other", "--format", format);
    await wasme(home, "convert", "hello:other", "hello:back", "--format", "oci");
    for (const name of ["hello:v1", "hello:other", "hello:back"]) {
      const { manifest, runtimeConfig, ...rest } = await inspect(home, name);
      expect(rest, name).toMatchObject(KEPT);
      expect(manifest.layers.length, name).toBeLessThanOrEqual(2);
      expect(runtimeConfig, name).toEqual(CONFIG);
    }
  });

  it.for(["oci", "compat", "cncf"])("stay with it by tag, push, pull, save and load, as %s", async (format) => {
    const [home, other, third] = [tempDir(), tempDir(), tempDir()];
    const name = `${hub.host}/team/hello:${format}`;
    await build(home, "hello:v1");
    await wasme(home, "tag", "hello:v1", name);
    await wasme(home, "push", name, "--format", format);
    expect(await inspect(home, name, "--remote")).toMatchObject({ ...KEPT, format });
    await wasme(other, "pull", name);
    expect(await inspect(other, name)).toMatchObject({ ...KEPT, format });
    await wasme(other, "save", name, "-f", join(other, "hello.tar"));
    await wasme(third, "load", "-f", join(other, "hello.tar"));
    expect(await inspect(third, name)).toMatchObject({ ...KEPT, format });
  });

  it("are nothing that hangs on place or time: the same input has the same digest", async () => {
    const [home, other] = [tempDir(), tempDir()];
    mkdirSync(join(other, "elsewhere"));
    copyFileSync(HELLO_WASM, join(other, "elsewhere/module.wasm"));
    const first = await build(home, "hello:v1");
    expect(await build(other, "hello:v2", join(other, "elsewhere/module.wasm"))).toBe(first);
    const manifest = readFileSync(join(home, ".wasme/images/blobs/sha256", first.replace("sha256:", "")), "utf8");
    expect(manifest).not.toContain(home);
  });
});
