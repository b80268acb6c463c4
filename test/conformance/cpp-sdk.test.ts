import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { need } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { compileModule, exportNames, importNames } from "./support/webassembly.ts";

const TESTS = fileURLToPath(new URL("../fixtures/projects/cpp-sdk/filter.test.yaml", import.meta.url));
const TIMEOUT = 300_000;

describe("the C++ SDK", { timeout: TIMEOUT }, () => {
  it("does in the embedded host what it says, part by part", async (context) => {
    const bytes = await need(context, "clang", () => fixture("cpp-sdk"));
    const module = join(tempDir(), "sdk.wasm");
    await writeFile(module, bytes);
    const { stdout, stderr } = await runCli(["test", TESTS, "--module", module, "-o", "json"], { home: tempDir() });
    const report = JSON.parse(stdout) as {
      readonly cases: readonly { readonly status: string; readonly name: string }[];
    };
    expect(
      report.cases.filter(({ status }) => status !== "passed"),
      stderr,
    ).toEqual([]);
    expect(report.cases.length).toBeGreaterThan(20);
  });

  it("exports the callbacks that are overridden and imports the functions that are used, no more", async (context) => {
    const module = compileModule(await need(context, "clang", () => fixture("cpp-hello")));
    expect(exportNames(module).toSorted()).toEqual([
      "_initialize",
      "memory",
      "proxy_abi_version_0_2_1",
      "proxy_on_configure",
      "proxy_on_context_create",
      "proxy_on_delete",
      "proxy_on_memory_allocate",
      "proxy_on_response_headers",
    ]);
    expect(importNames(module).toSorted()).toEqual([
      "env.proxy_add_header_map_value",
      "env.proxy_get_buffer_bytes",
      "env.proxy_get_property",
      "env.proxy_log",
    ]);
  });

  it("exports each callback once, whoever asks for it, and all that some class overrides", async (context) => {
    const names = exportNames(compileModule(await need(context, "clang", () => fixture("cpp-sdk"))));
    expect(new Set(names).size).toBe(names.length);
    const callbacks = ["on_grpc_close", "on_http_call_response", "on_tick", "on_new_connection", "on_request_trailers"];
    for (const name of callbacks) expect(names).toContain(`proxy_${name}`);
    // No class overrides it.
    expect(names).not.toContain("proxy_on_upstream_connection_close");
  });
});
