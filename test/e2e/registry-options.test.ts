import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../components/wait.ts";
import { status } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM, writeModule } from "../support/modules.ts";
import { runRefused } from "../support/refusal.ts";
import { runCli, spawnCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The flags and the file that say how to talk to a registry, as typed. */
describe("registry options", () => {
  let registry: FaultRegistry;

  beforeEach(async () => {
    registry = await startFaultRegistry();
  });
  afterEach(() => registry.close());

  /** A home with an image of 2 MB. */
  async function prepare(): Promise<{ home: string; reference: string }> {
    const home = tempDir();
    const reference = `${registry.host}/team/filter:v1`;
    const module = writeModule(home, "large.wasm", 2_000_000);
    expect(await runCli(["build", "precompiled", module, "-t", reference], { home })).toMatchObject({ code: 0 });
    return { home, reference };
  }

  function configure(home: string, settings: Record<string, unknown>): void {
    mkdirSync(join(home, ".wasme"), { recursive: true });
    writeFileSync(join(home, ".wasme/registries.json"), JSON.stringify({ registries: { [registry.host]: settings } }));
  }

  const pieces = (): readonly unknown[] => {
    return registry.requests
      .filter(({ kind }) => kind === "upload.patch")
      .map(({ headers }) => headers["content-range"]);
  };

  it("--chunk-size uploads in pieces", async () => {
    const { home, reference } = await prepare();
    expect(await runCli(["push", "--chunk-size", "1MiB", reference], { home })).toMatchObject({ code: 0 });
    expect(pieces()).toEqual(["0-1048575", "1048576-2000007"]);
  });

  it("registries.json does the same for one registry", async () => {
    const { home, reference } = await prepare();
    configure(home, { upload: "chunked", chunkSize: "1.5MB" });
    expect(await runCli(["push", reference], { home })).toMatchObject({ code: 0 });
    expect(pieces()).toEqual(["0-1499999", "1500000-2000007"]);
  });

  it("Ctrl-C amid the pieces deletes the upload", async () => {
    const { home, reference } = await prepare();
    registry.on(
      ({ headers }) => headers["content-range"]?.startsWith("1048576-") === true,
      ({ request }) => void request.resume(),
    );
    const { child, result } = spawnCli(["push", "--chunk-size", "1MiB", reference], { home });
    await waitFor("the second piece", () => (pieces().length === 2 ? true : undefined));
    child.kill("SIGINT");
    expect(await result).toMatchObject({ code: 130, stdout: "" });
    expect(await registry.openUploads()).toEqual([]);
  });

  it("--verbose says that pieces are no use", async () => {
    const { home, reference } = await prepare();
    registry.on("upload.patch", status(405));
    const { code, stderr } = await runCli(["push", "-v", "--chunk-size", "1MiB", reference], { home });
    expect(code).toBe(0);
    expect(stderr).toContain(`${registry.host} takes no uploads in pieces (405): sending in one`);
  });

  const absent = "localhost:1/team/filter:v1";

  it.each([
    [["push", absent, "--chunk-size", "8M"], "SIZE_INVALID", /--chunk-size "8M" is not a size/u],
    [["push", absent, "--chunk-size", "63KiB"], "SIZE_INVALID", /--chunk-size "63KiB" is not a size of 64KiB or more/u],
    [["pull", absent, "--cert-file", "HELLO"], "CLIENT_CERT_INCOMPLETE", /--cert-file needs --key-file/u],
    [["pull", absent, "--key-file", "HELLO"], "CLIENT_CERT_INCOMPLETE", /--key-file needs --cert-file/u],
    [["pull", absent, "--cert-file", "no", "--key-file", "HELLO"], "FILE_UNREADABLE", /--cert-file: cannot read no/u],
    [["pull", absent, "--cert-file", "HELLO", "--key-file", "no"], "FILE_UNREADABLE", /--key-file: cannot read no/u],
  ] as const)("%j is refused", async (words, code, says) => {
    const home = tempDir();
    const reference = absent;
    await runCli(["build", "precompiled", HELLO_WASM, "-t", reference], { home });
    const args = words.map((word) => (word === "HELLO" ? HELLO_WASM : word));
    const refusal = { exit: 2, code, says, ...(code === "FILE_UNREADABLE" && { hint: false as const }) };
    expect(await runRefused(args, { home }, refusal)).toMatchObject({ code });
  });

  it("a mistake in registries.json is named, with the file", async () => {
    const { home, reference } = await prepare();
    configure(home, { insecrue: true });
    const says = /cannot use .*\.wasme\/registries\.json: unknown key registries\["HOST"\]\.insecrue/u;
    const exact = new RegExp(says.source.replace("HOST", registry.host), "u");
    const before = /^Pull/u;
    await runRefused(["pull", reference], { home }, { exit: 2, code: "REGISTRY_CONFIG_INVALID", says: exact, before });
    expect(registry.requests).toEqual([]);
  });
});
