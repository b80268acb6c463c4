import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { findingsOf } from "../../src/images/check-findings.ts";
import { runSmoke } from "../../src/images/smoke-streams.ts";
import { ABI_VERSIONS, abiMarker } from "../../src/domain/abi-version.ts";
import { CALLBACKS } from "../../src/wasm/callbacks.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { type HostImport, PROXY_IMPORTS, WASI_IMPORTS, WASI_MODULES } from "../../src/wasm/host-imports.ts";
import type { FunctionType } from "../../src/wasm/types.ts";
import { envoyPath, validateEnvoy } from "../components/envoy.ts";
import { need } from "../components/require-component.ts";
import { type Random, seededRandom } from "../support/random.ts";
import {
  buildModule,
  filterFunctions,
  filterModule,
  type FunctionSpec,
  type ImportSpec,
} from "../support/wasm-builder.ts";
import { wasmBootstrap } from "../support/wasm-bootstrap.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "wasme-matrix-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const CONFIG = "x";

/** What the real Envoy makes of a module: it loads, it is refused, or Envoy itself goes down. */
async function envoySays(module: Uint8Array): Promise<{ verdict: "loads" | "refused" | "crashes"; log: string }> {
  await writeFile(join(directory, "module.wasm"), module);
  try {
    const { code, log } = await validateEnvoy({ config: wasmBootstrap("module.wasm", CONFIG), directory });
    // A trap in the allocator leaves Envoy with a dead VM, and it goes on: of no use to anybody.
    return { verdict: code === 0 && !log.includes("failed: Uncaught") ? "loads" : "refused", log };
  } catch (error) {
    if (!/Caught Segmentation fault/u.test(String(error))) throw error;
    return { verdict: "crashes", log: "Segmentation fault" };
  }
}

/** What `wasme check` makes of it. */
function weSay(module: Uint8Array): "loads" | "refused" {
  const report = checkModule(module);
  if (!report.ok) return "refused";
  const smoke = {
    durationMs: 0,
    ...runSmoke({ module, config: CONFIG, rootId: "", vmConfig: "" }, { onCallback: () => undefined }),
  };
  const findings = findingsOf({ report, config: CONFIG, rootId: "", rootIds: [] }, smoke);
  return findings.some(({ severity }) => severity === "error") ? "refused" : "loads";
}

async function ready(context: TestContext): Promise<void> {
  await need(context, "envoy", envoyPath);
}

const letters = (types: readonly string[]): string => types.map((name) => (name === "i64" ? "l" : "i")).join("");
interface Shape {
  readonly params: string;
  readonly result: string;
}
const shapeOf = (type: FunctionType): Shape => ({
  params: letters(type.params),
  result: letters(type.results),
});
type FunctionImport = Shape & { readonly module: string; readonly name: string };
const asImport = (module: string, { name, type }: HostImport): FunctionImport => ({
  module,
  name,
  ...shapeOf(type),
});
const proxyImports = PROXY_IMPORTS.filter(({ abis }) => abis.includes("0.2.1")).map((item) => asImport("env", item));
const wasiImports = WASI_IMPORTS.map((item) => asImport("wasi_snapshot_preview1", item));

describe("each function by itself", () => {
  for (const wasi of WASI_MODULES) {
    it(`of ${wasi} is refused with another type`, async (context) => {
      await ready(context);
      for (const item of WASI_IMPORTS) {
        const right = asImport(wasi, item);
        const wrong = filterModule({ imports: [{ ...right, params: `${right.params}i` }] });
        expect([await envoySays(wrong).then(({ verdict }) => verdict), weSay(wrong)], item.name).toEqual([
          "refused",
          "refused",
        ]);
      }
    }, 120_000);
  }

  it("of WASI that we do not list is refused", async (context) => {
    await ready(context);
    for (const name of ["proc_raise", "sock_connect", "fd_filestat_set_flags", "args_sizes", "random"]) {
      const module = filterModule({ imports: [{ module: "wasi_snapshot_preview1", name, params: "i", result: "i" }] });
      const { verdict, log } = await envoySays(module);
      expect([verdict, weSay(module)], name).toEqual(["refused", "refused"]);
      expect(log).toContain(`missing import: wasi_snapshot_preview1.${name}`);
    }
  });
});

/** A function that calls import 0 with zeros. */
const callBody = ({ params, result }: Shape): number[] => [
  ...Array.from(params).flatMap((letter) => (letter === "l" ? [0x42, 0] : [0x41, 0])),
  0x10,
  0x00,
  ...(result === "" ? [] : [0x1a]),
];

type Place = (body: readonly number[], item: ImportSpec) => Uint8Array;

const PLACES: Readonly<Record<string, Place>> = {
  _initialize: (body, item) =>
    buildModule({ imports: [item], functions: replaced("_initialize", { export: "_initialize", body }) }),
  _start: (body, item) =>
    buildModule({ imports: [item], functions: replaced("_initialize", { export: "_start", body }) }),
  main: (body, item) =>
    filterModule({
      imports: [item],
      functions: [{ export: "main", params: "ii", result: "i", body: [...body, 0x41, 0x00] }],
    }),
  "the allocator": (body, item) =>
    buildModule({
      imports: [item, asImport("env", GET_BUFFER)],
      functions: [
        ...replaced("proxy_on_memory_allocate", {
          export: "proxy_on_memory_allocate",
          params: "i",
          result: "i",
          body: [...body, 0x41, 0x80, 0x08],
        }),
        ASKS,
      ],
    }),
};

function replaced(name: string, by: FunctionSpec): FunctionSpec[] {
  return filterFunctions().map((item) => (item.export === name ? by : item));
}

const GET_BUFFER: HostImport = PROXY_IMPORTS.find(({ name }) => name === "proxy_get_buffer_bytes") ?? never();

function never(): never {
  throw new Error("no proxy_get_buffer_bytes");
}

/** Makes the host allocate, for the configuration it asks for: import 1 is `proxy_get_buffer_bytes(7, 0, 1, 16, 20)`. */
const ASKS: FunctionSpec = {
  export: "proxy_on_configure",
  params: "ii",
  result: "i",
  body: [...[7, 0, 1, 16, 20].flatMap((value) => [0x41, value]), 0x10, 0x01, 0x1a, 0x41, 0x01],
};

describe("what start code may call", () => {
  for (const [place, make] of Object.entries(PLACES)) {
    it(`in ${place}: Envoy and we agree on every function`, async (context) => {
      await ready(context);
      const verdicts = { loads: 0, refused: 0, crashes: 0 };
      for (const item of [...proxyImports, ...wasiImports]) {
        const module = make(callBody(item), item);
        const { verdict, log } = await envoySays(module);
        expect(weSay(module), `${item.name}: ${log}`).toBe(verdict);
        verdicts[verdict] += 1;
      }
      expect(verdicts.loads).toBeGreaterThan(3);
      expect(verdicts.refused).toBeGreaterThan(10);
    }, 120_000);
  }

  it("in the start section: what Envoy crashes at we refuse, and little else", async (context) => {
    await ready(context);
    const stricter: string[] = [];
    for (const item of [...proxyImports, ...wasiImports]) {
      const functions = [...filterFunctions(), { body: callBody(item) }];
      const module = buildModule({ imports: [item], functions, start: functions.length - 1 });
      const { verdict, log } = await envoySays(module);
      const ours = weSay(module);
      expect(ours === "refused" || verdict === "loads", `${item.name}: ${log}`).toBe(true);
      if (ours === "refused" && verdict === "loads") stricter.push(item.name);
    }
    // With zeros for arguments they touch no memory; with any others the last ones crash Envoy too.
    expect(stricter).toEqual(
      ["pthread_equal", "fd_read", "path_open", "sched_yield", ...TOUCH_MEMORY].toSorted(inOrder),
    );
  }, 120_000);
});

const TOUCH_MEMORY = ["fd_fdstat_get", "fd_pwrite", "fd_tell", "fd_write", "random_get"];
const ORDER = [...proxyImports, ...wasiImports].map(({ name }) => name);
const inOrder = (a: string, b: string): number => ORDER.indexOf(a) - ORDER.indexOf(b);

describe("modules put together at random", () => {
  it("are loaded and refused alike", async (context) => {
    await ready(context);
    const random = seededRandom(20_261_121);
    const verdicts = { loads: 0, refused: 0, crashes: 0 };
    for (let round = 0; round < 120; round += 1) {
      const module = randomModule(random);
      const { verdict, log } = await envoySays(module);
      verdicts[verdict] += 1;
      expect(weSay(module), `round ${round}: ${log}`).toBe(verdict);
    }
    expect(verdicts.loads).toBeGreaterThan(20);
    expect(verdicts.refused).toBeGreaterThan(20);
  }, 120_000);
});

/** Imports and callbacks of any ABI, one in ten with a type that is off. */
function randomModule(random: Random): Uint8Array {
  const abi = random.pick(ABI_VERSIONS);
  const known = [...PROXY_IMPORTS.filter(({ abis }) => abis.includes(abi) || random.chance(0.05)), ...WASI_IMPORTS];
  const imports = Array.from({ length: random.int(0, 5) }, (): ImportSpec => {
    const item = random.pick(known);
    const module = WASI_IMPORTS.includes(item) ? random.pick(WASI_MODULES) : "env";
    return { module, name: item.name, ...bent(shapeOf(item.type), random) };
  });
  const callbacks = new Map<string, FunctionSpec>();
  for (let left = random.int(0, 5); left > 0; left -= 1) {
    const { name, type, abis } = random.pick(CALLBACKS);
    if (abis.includes(abi) || random.chance(0.1)) callbacks.set(name, { export: name, ...bent(shapeOf(type), random) });
  }
  return filterModule({ imports, functions: [...callbacks.values()] }, abiMarker(abi));
}

function bent(shape: Shape, random: Random): Shape {
  if (!random.chance(0.1)) return shape;
  if (random.chance(0.5)) return { ...shape, params: `${shape.params}i` };
  return { ...shape, result: shape.result === "" ? "i" : "" };
}
