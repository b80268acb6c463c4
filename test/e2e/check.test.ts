import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { inCi } from "../components/missing.ts";
import { startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { filterModule, type ModuleSpec } from "../support/wasm-builder.ts";

const home = makeTempDir("wasme-check-");
const wasme = async (line: string): Promise<CliResult> => await runCli(line.split(" "), { home });

const CALLBACK = { params: "iii", result: "i" };
const MODULES: Readonly<Record<string, ModuleSpec>> = {
  "plain.wasm": {},
  "files.wasm": { imports: [{ module: "wasi_snapshot_preview1", name: "fd_sync", params: "i", result: "i" }] },
  "abort.wasm": { imports: [{ name: "abort", params: "iiii" }] },
  "trap.wasm": { functions: [{ export: "proxy_on_request_headers", ...CALLBACK, body: [0x00] }] },
  "hold.wasm": { functions: [{ export: "proxy_on_request_headers", ...CALLBACK, body: [0x41, 0x01] }] },
  "reject.wasm": { functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body: [0x41, 0x00] }] },
};

beforeAll(async () => {
  for (const [name, spec] of Object.entries(MODULES)) writeFileSync(join(home, name), filterModule(spec));
  writeFileSync(join(home, "component.wasm"), Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]));
  writeFileSync(join(home, "page.wasm"), "<!doctype html>");
  await wasme(`build precompiled ${HELLO_WASM} -t hello:v1`);
});

describe("wasme check", () => {
  it("works where there is no /proc", async (context) => {
    const hidden = ["-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"];
    const result = await runCli(["check", HELLO_WASM], { home, through: ["unshare", ...hidden] });
    if (/unshare|mount/u.test(result.stderr) && !inCi()) context.skip("/proc cannot be hidden here (needs root)");
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/^Envoy {22}yes /mu);
  });

  it("shows for every host whether it loads, what two requests did, and what the filter may do", async () => {
    const { code, stdout, stderr } = await wasme("check hello:v1");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      /^Image: {5}docker\.io\/library\/hello:v1\nModule: {4}638 B, sha256:\w{64}\nABI: {7}0\.2\.1\n/u,
    );
    expect(stdout).toContain(
      "\nHOST                       LOADS    SINCE     WHY\nEnvoy                      yes      1.17*\n",
    );
    expect(stdout).toMatch(/\nGoogle Service Extensions {2}unknown {2}-\* {8}is in an image it may refuse: /u);
    expect(stdout).toContain("\n* by reading its sources or documentation, not by running it\n");
    expect(stdout).toMatch(/\nTwo requests: GET without a body: 204; POST with a body in pieces: 200 \(\d+ ms\)\n/u);
    expect(stdout).toContain("\nIt may:\n  read and change headers and trailers\n");
  });

  it("names the first version, and refuses an older one with exit code 7", async () => {
    const { code, stdout } = await wasme("check files.wasm --host envoy --host istio@1.29.1");
    expect(code).toBe(7);
    expect(stdout).toContain("\nEnvoy         yes      1.39   imports fd_sync\n");
    expect(stdout).toContain("\nIstio 1.29.1  no       1.31*  imports fd_sync\n");
    expect(stdout).toContain("\nHint: a library that reads files pulls it in: for older proxies leave it out\n");
    expect((await wasme("check files.wasm --host istio@1.31")).code).toBe(0);
    expect((await wasme("check files.wasm --host envoy@1.50")).stderr).toMatch(/newer than what this wasme knows/u);
  });

  it("says what no host takes, and what to do about it", async () => {
    const { code, stdout } = await wasme("check abort.wasm");
    expect(code).toBe(7);
    expect(stdout).toMatch(/\nEnvoy {22}no {7}- {6}imports env\.abort, which no proxy offers to ABI v0\.2\.1\n/u);
    expect(stdout).toMatch(/\nHint: compile with "--use abort=/u);
    expect(stdout).not.toContain("Two requests");
  });

  it("prints one versioned document, or the names of the hosts that load it", async () => {
    const { stdout } = await wasme("check files.wasm -o json");
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result).toMatchObject({ kind: "CheckResult", version: 1, name: "files.wasm", ok: true, findings: [] });
    expect(result["hosts"]).toMatchObject([
      { host: "envoy", verdict: "fits", since: "1.39", evidence: "run" },
      { host: "istio", verdict: "fits", since: "1.31", evidence: "read" },
      { host: "higress", verdict: "unknown" },
      { host: "google", verdict: "fits" },
      { host: "nginx", verdict: "fits", since: "2025-02" },
    ]);
    expect(result).toHaveProperty("smoke.streams");
    expect((await wasme("check files.wasm -q --host envoy@1.40")).stdout).toBe("envoy@1.40\n");
    expect((await wasme("check abort.wasm -q")).stdout).toBe("");
  });

  it("runs it with the configuration it will get, unless told not to", async () => {
    const rejected = await wasme("check reject.wasm --config {}");
    expect(rejected.code).toBe(7);
    expect(rejected.stdout).toContain("\nerror: the module does not accept the plugin configuration: ");
    const unknown = await wasme("check reject.wasm");
    expect([unknown.code, unknown.stdout]).toEqual([
      0,
      expect.stringContaining("\nwarning: the module does not accept an empty"),
    ]);
    const unrun = await wasme("check reject.wasm --config {} --no-smoke");
    expect([unrun.code, unrun.stdout]).toEqual([0, expect.not.stringContaining("Two requests")]);
  });

  it("tells what streams show as warnings", async () => {
    const trapped = await wasme("check trap.wasm");
    expect(trapped.code).toBe(0);
    expect(trapped.stdout).toMatch(
      /\nwarning: the filter traps: .*proxy_on_request_headers.*\n {2}Hint: after a trap Envoy/u,
    );
    expect(trapped.stdout).toContain("GET without a body: 503");
    expect((await wasme("check hold.wasm")).stdout).toMatch(/\nwarning: the module holds a stream for good \(GET/u);
  });

  it("looks at the layout of an image, in a registry too", async () => {
    await wasme("convert hello:v1 hello:cncf --format cncf");
    const { code, stdout } = await wasme("check hello:cncf --host istio --host envoy");
    expect(code).toBe(7);
    expect(stdout).toMatch(/\nIstio {2}no .*is in an image it refuses: it needs two layers/u);
    expect(stdout).toContain("\nHint: wasme convert REF NEW --format compat\n");
    const hub = await startHub();
    try {
      await wasme(`tag hello:v1 ${hub.host}/demo/hello:v1`);
      await wasme(`push ${hub.host}/demo/hello:v1`);
      await wasme(`rm ${hub.host}/demo/hello:v1`);
      const remote = await wasme(`check --remote ${hub.host}/demo/hello:v1 -o json`);
      expect(JSON.parse(remote.stdout)).toMatchObject({ image: { source: "registry", format: "oci" }, ok: true });
    } finally {
      await hub.close();
    }
  });

  it.each([
    ["a missing file", "check nothere.wasm", 2, "there is no module"],
    ["a folder", "check .", 2, "is a folder"],
    ["an unknown image", "check hello:v9", 3, "no image"],
    ["what is not wasm", "check page.wasm", 2, "it looks like an HTML page"],
    ["a component", "check component.wasm", 7, "a WebAssembly component"],
    ["an unknown host", "check plain.wasm --host evnoy", 2, "did you mean envoy?"],
    ["an unknown version", "check plain.wasm --host envoy@new", 2, "write it like envoy@1.40"],
    ["a version where there are none", "check plain.wasm --host google@2", 2, "has no versions"],
    ["a missing configuration file", "check plain.wasm --config @none.json", 2, "none.json"],
  ])("refuses %s", async (_case, line, code, said) => {
    const result = await wasme(line);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(said);
  });
});

describe("the check before an image is made or used", () => {
  it("warns at a build, and --no-check is silent", async () => {
    const warned = await wasme("build precompiled trap.wasm -t trap:v1");
    expect(warned.code).toBe(0);
    expect(warned.stderr).toMatch(/Warning: the filter traps: /u);
    const { findings } = JSON.parse((await wasme("build precompiled trap.wasm -t trap:v1 -o json")).stdout) as {
      findings: { code: string }[];
    };
    expect(findings.map(({ code }) => code)).toEqual(["STREAM_TRAP"]);
    const silent = await wasme("build precompiled trap.wasm -t trap:v2 --no-check");
    expect([silent.code, silent.stderr]).toEqual([0, expect.not.stringContaining("traps")]);
  });

  it("stops a deploy before anything is printed or written", async () => {
    await wasme("build precompiled reject.wasm -t reject:v1");
    const istio = "deploy istio reject:v1 --id reject -n shop --dry-run=client";
    const refused = await wasme(istio);
    expect(refused).toMatchObject({ code: 7, stdout: "" });
    expect(refused.stderr).toMatch(
      /Error: docker\.io\/library\/reject:v1 will not run: the module does not accept an empty/u,
    );
    expect(await wasme(`${istio} --no-check`)).toMatchObject({ code: 0, stdout: expect.stringContaining("kind: ") });
    const envoy = `deploy envoy reject:v1 --config {} --out ${join(home, "envoy.yaml")}`;
    expect(await wasme(envoy)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("does not accept the plugin"),
    });
    expect(existsSync(join(home, "envoy.yaml"))).toBe(false);
    expect((await wasme(`${envoy} --no-check`)).code).toBe(0);
    expect(existsSync(join(home, "envoy.yaml"))).toBe(true);
  });

  it("says in the plan which Istio a module needs", async () => {
    await wasme("build precompiled files.wasm -t files:v1");
    const { code, stderr } = await wasme("deploy istio files:v1 --id files -n shop --dry-run=client");
    expect(code).toBe(0);
    expect(stderr).toContain("the module needs Istio 1.31 or newer: it imports wasi_snapshot_preview1.fd_sync");
  });
});
