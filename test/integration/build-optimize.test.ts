import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { installBinaryen } from "../../src/toolchain/binaryen.ts";
import { optimizeModule } from "../../src/toolchain/optimize.ts";
import type { ToolchainDeps, ToolchainRequest } from "../../src/toolchain/runner.ts";
import { parseModule } from "../../src/wasm/parse-module.ts";
import { installOnce } from "../components/cache.mjs";
import { installing } from "../components/missing.ts";
import { freePorts } from "../components/ports.ts";
import { need } from "../components/require-component.ts";
import { writeTree } from "../support/fake-program.ts";
import { buildModule } from "../support/wasm-builder.ts";
import { tempDir } from "../support/temp-dir.ts";
import { recorder, toolchainDeps } from "./build-support.ts";

const ignore = (): void => undefined;

const DEAD_WEIGHT: readonly number[] = Array.from({ length: 50 }, () => [0x41, 1, 0x1a]).flat();

/** A function that fills memory (a feature that has to be allowed) among constants nobody uses. */
const MODULE = Buffer.from(
  buildModule({
    functions: [
      {
        export: "f",
        params: "i",
        result: "i",
        // i32.const 1, drop, many times; memory.fill with 0 at the parameter, as long as it; the parameter
        body: [...DEAD_WEIGHT, 0x20, 0, 0x41, 0, 0x20, 0, 0xfc, 11, 0, 0x20, 0],
      },
    ],
  }),
);

/** A home with binaryen in it, installed once per machine by the code under test. */
async function home(context: TestContext): Promise<string> {
  const folder = await need(context, "npm registry", () =>
    installOnce("wasme-binaryen-132", (draft) =>
      installing("npm registry", async () => {
        const paths = { home: draft, tmp: draft };
        const program = join(draft, "tools", "binaryen-132.0.0", "bin", "wasm-opt");
        await installBinaryen(toolchainDeps({ paths }), { version: "132.0.0", program, inProject: false }, ignore);
      }),
    ),
  );
  const own = tempDir();
  await mkdir(join(own, "tools/binaryen-132.0.0/bin"), { recursive: true });
  for (const name of ["bin/wasm-opt", "bin/package.json"]) {
    const path = join("tools/binaryen-132.0.0", name);
    await copyFile(join(folder, path), join(own, path));
  }
  return own;
}

interface Result {
  readonly label: string | undefined;
  readonly bytes: Buffer;
  readonly events: readonly ProgressEvent[];
}

async function optimize(
  deps: Partial<ToolchainDeps>,
  request: Partial<ToolchainRequest> = {},
  module: Buffer = MODULE,
): Promise<Result> {
  const outDir = tempDir();
  const modulePath = join(outDir, "filter.wasm");
  await writeFile(modulePath, module);
  const { events, sink } = recorder();
  const what = { source: tempDir(), outDir, builder: "auto", install: false, optimize: true, ...request } as const;
  const label = await optimizeModule(toolchainDeps(deps), { modulePath, request: what }, sink);
  return { label, bytes: await readFile(modulePath), events };
}

describe("optimizeModule", () => {
  it("makes a module smaller with the features it uses and no others, the same each time, once", async (context) => {
    const place = { home: await home(context), tmp: tempDir() };
    const first = await optimize({ paths: place });
    expect(first.label).toBe("binaryen 132.0.0 -Oz");
    expect(first.bytes.length).toBeLessThan(MODULE.length);
    expect(parseModule(first.bytes).exports.map(({ name }) => name)).toContain("f");
    const again = await optimize({ paths: place, exec: () => Promise.reject(new Error("nothing has to run")) });
    expect(again).toMatchObject({ label: first.label });
    expect(again.bytes.equals(first.bytes)).toBe(true);
    const elsewhere = await optimize({ paths: { home: await home(context), tmp: tempDir() } });
    expect(elsewhere.bytes.equals(first.bytes)).toBe(true);
  });

  it("leaves alone what cannot get smaller, and what it cannot read", async (context) => {
    const paths = { home: await home(context), tmp: tempDir() };
    const empty = Buffer.from("0061736d01000000", "hex");
    expect(await optimize({ paths }, {}, empty)).toMatchObject({ label: undefined, bytes: empty });
    const broken = Buffer.from("no module at all");
    const { label, bytes, events } = await optimize({ paths }, {}, broken);
    expect({ label, bytes }).toEqual({ label: undefined, bytes: broken });
    expect(events).toContainEqual(expect.objectContaining({ type: "warning" }));
  });

  it("prefers the project's own binaryen, whose module counts only when it is valid and smaller", async () => {
    const paths = { home: tempDir(), tmp: tempDir() };
    const binaryen = (program: string): Promise<string> =>
      writeTree(tempDir(), {
        "node_modules/binaryen/package.json": '{"version":"99.0.0"}',
        "node_modules/binaryen/bin/wasm-opt": program,
      });
    const writes = (bytes: string): string =>
      `const args = process.argv; require("fs").writeFileSync(args[args.indexOf("-o") + 1], Buffer.from("${bytes}", "hex"));`;
    const good = await optimize({ paths }, { source: await binaryen(writes("0061736d01000000")) });
    expect(good).toMatchObject({ label: "binaryen 99.0.0 -Oz", bytes: Buffer.from("0061736d01000000", "hex") });
    const other = { home: tempDir(), tmp: tempDir() };
    const bad = await optimize({ paths: other }, { source: await binaryen(writes("0061736d01000001")) });
    expect(bad).toMatchObject({ label: undefined, bytes: MODULE });
    for (const [program, why] of [
      ["console.error('Fatal: out of luck'); process.exit(1)", "out of luck"],
      ["", "it wrote nothing"],
    ] as const) {
      // A home of its own: what was kept above is no try.
      const failing = await optimize(
        { paths: { home: tempDir(), tmp: tempDir() } },
        { source: await binaryen(program) },
      );
      expect(failing).toMatchObject({ label: undefined, bytes: MODULE });
      const message = `binaryen 99.0.0 -Oz left the module as it is: ${why}`;
      expect(failing.events).toContainEqual(expect.objectContaining({ type: "warning", message }));
    }
  });

  it("says what it left undone where nothing may be installed or can be, and nothing when it was not asked", async () => {
    const refused = await optimize({});
    expect(refused.label).toBeUndefined();
    expect(refused.events).toMatchObject([{ type: "warning", message: expect.stringContaining("not optimized") }]);
    const [port = 0] = await freePorts(1);
    const env = {
      ...process.env,
      npm_config_registry: `http://127.0.0.1:${port}`,
      npm_config_fetch_retries: "0",
      npm_config_cache: tempDir(),
    };
    const unreachable = await optimize({ env }, { install: true });
    expect(unreachable.events).toContainEqual(
      expect.objectContaining({ type: "warning", message: expect.stringContaining("could not reach") }),
    );
    expect(unreachable.bytes.equals(MODULE)).toBe(true);
    expect(await optimize({}, { optimize: false })).toMatchObject({ label: undefined, events: [] });
  });

  it("ends with an abort", async () => {
    const controller = new AbortController();
    const source = await writeTree(tempDir(), {
      "node_modules/binaryen/package.json": '{"version":"99.0.0"}',
      "node_modules/binaryen/bin/wasm-opt": "setInterval(() => {}, 1000);",
    });
    const work = optimize({ signal: controller.signal }, { source });
    setTimeout(() => controller.abort(new Error("stopped")), 50);
    await expect(work).rejects.toThrow("stopped");
  });
});
