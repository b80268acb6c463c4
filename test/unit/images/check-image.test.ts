import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { digestParts } from "../../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import { refuseErrors, tellWarnings } from "../../../src/images/act-on-findings.ts";
import { findingsOf } from "../../../src/images/check-findings.ts";
import { checkImage, type CheckRequest, type CheckResult } from "../../../src/images/check-image.ts";
import { importImage } from "../../../src/images/import-image.ts";
import { pushImage } from "../../../src/images/push-image.ts";
import { readModule } from "../../../src/images/read-module.ts";
import { resolveImage } from "../../../src/images/resolve-image.ts";
import { runSmoke } from "../../../src/images/smoke-streams.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { checkModule } from "../../../src/wasm/check-module.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { type StoreRegistry, storeRegistry } from "../../support/store-registry.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { filterModule } from "../../support/wasm-builder.ts";

const HELLO = readFileSync(HELLO_WASM);
const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["one", "two"] } };

let dir: string;
let store: ImageStore;
let registry: StoreRegistry;
beforeEach(async () => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
  registry = storeRegistry(join(dir, "registry"));
  await importImage({ store }, { file: HELLO_WASM, reference: ref("h.io/a:v1"), runtimeConfig: CONFIG, check: true });
});

const REQUEST: Omit<CheckRequest, "source"> = {
  hosts: [],
  config: undefined,
  rootId: undefined,
  vmConfig: undefined,
  smoke: false,
};
const image = (name: string, from: "store" | "registry" = "store"): CheckRequest["source"] => ({
  kind: "image",
  reference: ref(name),
  from,
});
const check = (source: CheckRequest["source"], more: Partial<CheckRequest> = {}): Promise<CheckResult> =>
  checkImage({ store, registry }, { ...REQUEST, source, ...more });

describe("checkImage", () => {
  it("takes an image of the store or a registry, whatever its layout", async () => {
    await pushImage({ store, registry }, { reference: ref("h.io/a:v1"), format: "cncf" });
    const here = await check(image("h.io/a:v1"));
    const there = await check(image("h.io/a:v1", "registry"));
    expect(here).toMatchObject({ name: "h.io/a:v1", ok: true, image: { source: "store", format: "oci" } });
    expect(there).toMatchObject({ ok: true, image: { source: "registry", format: "cncf" } });
    expect(there.moduleDigest).toBe(here.moduleDigest);
    const verdicts = ({ hosts }: CheckResult): string[] => hosts.map(({ host, verdict }) => `${host} ${verdict}`);
    expect(verdicts(here).slice(0, 3)).toEqual(["envoy fits", "istio fits", "higress fits"]);
    expect(verdicts(there).slice(0, 3)).toEqual(["envoy fits", "istio refused", "higress refused"]);
  });

  it("is content when one host loads it, and when hosts are named only if all do", async () => {
    await pushImage({ store, registry }, { reference: ref("h.io/a:v1"), format: "cncf" });
    const ok = async (hosts: CheckRequest["hosts"]): Promise<boolean> =>
      (await check(image("h.io/a:v1", "registry"), { hosts })).ok;
    expect(await ok([])).toBe(true);
    expect(await ok([{ host: "envoy" }])).toBe(true);
    expect(await ok([{ host: "envoy" }, { host: "istio" }])).toBe(false);
  });

  it("takes the root id from the image, or from the runtime config beside the file", async () => {
    const codes = async (source: CheckRequest["source"], rootId?: string): Promise<string[]> =>
      (await check(source, { rootId })).findings.map(({ code }) => code);
    expect(await codes(image("h.io/a:v1"))).toEqual([]);
    expect(await codes(image("h.io/a:v1"), "two")).toEqual([]);
    expect(await codes(image("h.io/a:v1"), "three")).toEqual(["ROOT_ID_NOT_NAMED"]);
    const path = join(dir, "filter.wasm");
    copyFileSync(HELLO_WASM, path);
    const file = { kind: "file", path, name: "filter.wasm" } as const;
    expect(await codes(file, "three")).toEqual([]);
    writeFileSync(join(dir, "runtime-config.json"), JSON.stringify(CONFIG));
    expect(await codes(file, "three")).toEqual(["ROOT_ID_NOT_NAMED"]);
  });

  it("counts the configuration where its size is limited", async () => {
    const config = "x".repeat(2 * 1024 * 1024 - HELLO.byteLength + 1);
    const hosts = [{ host: "google" }] as const;
    expect((await check(image("h.io/a:v1"), { hosts, config: config.slice(1) })).ok).toBe(true);
    expect((await check(image("h.io/a:v1"), { hosts, config })).ok).toBe(false);
  });
});

describe("readModule", () => {
  const resolved = async (): Promise<ResolvedImage> => {
    await pushImage({ store, registry }, { reference: ref("h.io/a:v1"), format: "compat" });
    registry.log.length = 0;
    const found = await resolveImage({ store, registry }, { reference: ref("h.io/a:v1"), from: "registry" });
    registry.log.length = 0;
    return found;
  };

  it("takes the bytes from the store when it has them, and asks nobody", async () => {
    expect(Buffer.from(await readModule({ store, registry }, await resolved())).equals(HELLO)).toBe(true);
    expect(registry.log).toEqual([]);
  });

  it("fetches what the store does not have, or has altered, by its digest", async () => {
    const wanted = await resolved();
    const empty = openStore(join(dir, "empty"));
    expect(Buffer.from(await readModule({ store: empty, registry }, wanted)).equals(HELLO)).toBe(true);
    const { algorithm, hex } = digestParts(wanted.moduleDigest);
    const path = join(store.dir, "blobs", algorithm, hex);
    chmodSync(path, 0o644);
    writeFileSync(path, Buffer.from(HELLO).fill(0, 100, 101));
    expect(Buffer.from(await readModule({ store, registry }, wanted)).equals(HELLO)).toBe(true);
    expect(registry.log.length).toBeGreaterThan(0);
  });
});

describe("findings", () => {
  it("a filter that does nothing at all may not know its root id, where SDKs behave so", () => {
    const module = filterModule({ functions: [{ export: "proxy_on_request_headers", params: "iii", result: "i" }] });
    const smoke = { durationMs: 0, ...runSmoke({ module, config: "", rootId: "", vmConfig: "" }, QUIET) };
    const codes = (language: "cpp" | "rust", calls: readonly string[]): string[] => {
      const report = checkModule(module);
      const context = {
        config: "",
        rootId: "",
        rootIds: [],
        report: { ...report, origin: { ...report.origin, language } },
      };
      const still = { ...smoke, calls, streams: [], reports: [] };
      return findingsOf(context, still).map(({ code }) => code);
    };
    expect(codes("cpp", ["env.proxy_get_property"])).toEqual(["FILTER_IDLE"]);
    expect(codes("cpp", ["env.proxy_get_property", "env.proxy_log"])).toEqual([]);
    expect(codes("rust", [])).toEqual([]);
  });

  it("an error stops, a warning is told", () => {
    const warning = { code: "A", severity: "warning", message: "mind this", hint: "do that" } as const;
    const error = { code: "B", severity: "error", message: "the module loops" } as const;
    expect(() => refuseErrors([warning], "h.io/a:v1")).not.toThrow();
    expect(() => refuseErrors([warning, error], "h.io/a:v1")).toThrow(
      expect.objectContaining({
        code: "FILTER_UNFIT",
        kind: "incompatible",
        message: "h.io/a:v1 will not run: the module loops",
        hint: expect.stringContaining("--no-check"),
      }),
    );
    const told: unknown[] = [];
    tellWarnings([warning, error], "h.io/a:v1", (event) => void told.push(event));
    expect(told).toEqual([{ type: "warning", message: "h.io/a:v1: mind this", hint: "do that" }]);
  });
});

const QUIET = { onCallback: (): void => undefined };
