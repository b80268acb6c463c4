import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { interruptible } from "../../src/host/interruptible.ts";
import { webAssembly } from "../../src/host/webassembly.ts";
import { parseModule } from "../../src/wasm/parse-module.ts";
import { openSection, SectionId } from "../../src/wasm/sections.ts";
import { slowPlaces } from "../../src/wasm/slow-instructions.ts";
import { component } from "../components/require-component.ts";
import { fixture, helloFixtures } from "../components/wasm-fixtures.ts";
import { runCli } from "../support/run-cli.ts";
import { fetchOnce, startRun, writeFilter } from "../support/run-filter.ts";
import { tempDir } from "../support/temp-dir.ts";
import { signed } from "../support/wasm-builder.ts";

const filters = await component("filters", () => Promise.all(helloFixtures.map((name) => fixture(name))));
const missing = "skip" in filters ? filters.skip : "";

describe.skipIf(missing !== "")(`what compilers write${missing && `: ${missing}`}`, () => {
  it.each(helloFixtures)("every instruction of %s is known, and its changed form is valid", async (name) => {
    const bytes = await fixture(name);
    const module = parseModule(bytes);
    const reader = openSection(bytes, module.sections, SectionId.code);
    let functions = 0;
    for (let left = reader?.u32() ?? 0; left > 0; left -= 1, functions += 1) {
      const size = reader?.u32() ?? 0;
      const start = reader?.position ?? 0;
      expect(slowPlaces(bytes, { start, end: start + size })).toBeDefined();
      reader?.skip(size);
    }
    expect(functions).toBeGreaterThan(0);
    expect(() => new (webAssembly().Module)(interruptible(module))).not.toThrow();
  });
});

/** Without the calls that are put in, each of these goes on for hours. */
const ENDLESS = {
  // loop · i32.const 0 · i32.const 0 · i32.const 60,000,000 · memory.fill · br 0
  "fills a large memory": [0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, ...signed(60_000_000), 0xfc, 11, 0, 0x0c, 0, 0x0b],
  // the same with memory.copy
  "copies a large memory": [0x03, 0x40, 0x41, 0, 0x41, 1, 0x41, ...signed(60_000_000), 0xfc, 10, 0, 0, 0x0c, 0, 0x0b],
  // try · delegate 0 · loop · the first, with the number of memory.fill in three bytes
  "hides that it fills a large memory": [
    0x06,
    0x40,
    0x18,
    0,
    0x03,
    0x40,
    0x41,
    0,
    0x41,
    0,
    0x41,
    ...signed(60_000_000),
    0xfc,
    0x8b,
    0x80,
    0,
    0,
    0x0c,
    0,
    0x0b,
  ],
  // loop · i32.const 1 · memory.grow · drop · br 0
  "grows its memory by single pages": [0x03, 0x40, 0x41, 1, 0x40, 0, 0x1a, 0x0c, 0, 0x0b],
} as const;

describe.each(Object.entries(ENDLESS))("a filter that %s without end", (_what, loop) => {
  const misbehaving = (dir: string): string =>
    writeFilter(
      dir,
      [{ export: "proxy_on_request_headers", params: "iii", result: "i", body: [...loop, 0x41, 0x00] }],
      { memory: { pages: 1000 } },
    );

  it("ends `wasme check` with a report", async () => {
    const home = tempDir();
    const { code, stdout, stderr } = await runCli(["check", misbehaving(home)], { home });
    expect(stdout + stderr).toContain("did not return within 1000 ms");
    expect(code).not.toBeNull();
  });

  it("ends `wasme test` and `wasme bench` with a report", async () => {
    const home = tempDir();
    misbehaving(home);
    writeFileSync(
      join(home, "filter.test.yaml"),
      "filter: { module: filter.wasm }\ntests:\n  - name: ends\n    request: {}\n    expect: { response: { status: 200 } }\n",
    );
    const tested = await runCli(["test"], { home });
    expect(tested.code).toBe(1);
    expect(tested.stdout).toContain("did not return within 1000 ms (in proxy_on_request_headers)");
    const measured = await runCli(["bench", "filter.wasm"], { home });
    expect(measured.code).not.toBe(0);
    expect(measured.stderr).toContain("did not return within");
  });

  it("leaves `wasme run` able to answer and to stop", async () => {
    const home = tempDir();
    const run = await startRun([misbehaving(home)], home);
    expect(await fetchOnce(run.url)).toMatchObject({ status: 503 });
    await run.line((line) => String(line["message"]).includes("did not return within"));
    run.child.kill("SIGTERM");
    expect((await run.result).code).not.toBeNull();
  });
});
