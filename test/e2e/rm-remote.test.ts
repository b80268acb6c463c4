import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseImageReference, referenceTarget } from "../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { startRegistry } from "../components/registry.ts";
import { need } from "../components/require-component.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import { refuse } from "../support/fault-kinds.ts";
import { startFaultRegistry } from "../support/fault-registry.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { startOnPty } from "../support/pty.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** `wasme rm --remote` through the built program. */
describe("rm --remote", () => {
  const home = makeTempDir("wasme-rm-");
  const image = testImage(1000);
  let hub: HubServer;

  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(async () => await hub.close());

  /** Pushes an image under these tags of one repository; gives its digest. */
  async function push(repository: string, ...tags: readonly string[]): Promise<string> {
    const client = createRegistryClient({ env: {} });
    const to = client.repository(parseImageReference(repository), "push");
    for (const tag of tags) await pushTestImage(to, image, tag);
    client.close();
    return image.manifestDescriptor.digest;
  }

  async function isThere(reference: string): Promise<boolean> {
    const client = createRegistryClient({ env: {} });
    const parsed = parseImageReference(reference);
    const found = await client.repository(parsed).resolve(referenceTarget(parsed));
    client.close();
    return found !== undefined;
  }

  it("deletes a tag and leaves its image, the other tags and the store alone", async () => {
    const name = `${hub.host}/team/tag`;
    await push(name, "v1", "v2");
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", `${name}:v1`], { home })).code).toBe(0);
    const run = await runCli(["rm", "--remote", "-y", `${name}:v1`], { home });
    expect([run.code, run.stdout, run.stderr]).toEqual([
      0,
      `Deleted ${name}:v1 (the tag alone)\n`,
      `Deleting ${name}:v1\n`,
    ]);
    expect([await isThere(`${name}:v1`), await isThere(`${name}:v2`)]).toEqual([false, true]);
    expect((await runCli(["inspect", `${name}:v1`], { home })).code).toBe(0);
  });

  it("deletes an image and all its tags by its digest", async () => {
    const name = `${hub.host}/team/digest`;
    const digest = await push(name, "v1", "v2");
    const reference = `${name}@${digest}`;
    const run = await runCli(["rm", "--remote", "-y", reference, "-o", "json"], { home });
    expect(JSON.parse(run.stdout)).toEqual({
      kind: "RemoteRemoveResult",
      version: 1,
      removed: [{ reference, manifestDigest: digest, tags: ["v1", "v2"] }],
    });
    expect([await isThere(`${name}:v1`), await isThere(`${name}:v2`), await isThere(reference)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it("deletes nothing when one of several is not there, or names tag and digest", async () => {
    const name = `${hub.host}/team/several`;
    const digest = await push(name, "v1");
    const unknown = await runCli(["rm", "--remote", "-y", `${name}:v1`, `${name}:v9`], { home });
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining(`has no image ${name}:v9`)]);
    const both = await runCli(["rm", "--remote", "-y", `${name}:v1@${digest}`], { home });
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("names a tag and a digest")]);
    expect(await isThere(`${name}:v1`)).toBe(true);
    expect((await runCli(["rm", "--remote", "-y", "-q", `${name}:v1`, `${name}:v1`], { home })).stdout).toBe(
      `${name}:v1\n`,
    );
  });

  it("sends nothing where it cannot ask", async () => {
    const run = await runCli(["rm", "--remote", "127.0.0.1:1/team/filter:v1"], { home });
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(
      /^Error: cannot ask "Delete 127\.0\.0\.1:1\/team\/filter:v1\?" here.*\nHint: pass --yes\n$/u,
    );
  });

  it.for([
    ["y", false],
    ["n", true],
    ["", true],
  ] as const)("asks on a terminal; %j", async ([answer, stays], context) => {
    const name = `${hub.host}/team/ask`;
    const digest = await push(name, "v1", "v2");
    const pty = startOnPty(context, ["rm", "--remote", `${name}@${digest}`], { home });
    await pty.seen(/and its tags v1, v2/u);
    pty.type(`${answer}\r`);
    expect(await pty.ended).toBe(0);
    expect(pty.plain()).toContain(stays ? "Nothing deleted" : `Deleted ${name}@${digest} and its tags v1, v2`);
    expect(await isThere(`${name}:v1`)).toBe(stays);
  });

  it("asks once for several", async (context) => {
    const name = `${hub.host}/team/twice`;
    await push(name, "v1", "v2");
    const pty = startOnPty(context, ["rm", "--remote", `${name}:v1`, `${name}:v2`], { home });
    await pty.seen(/Sure\?/u);
    expect(pty.plain()).toMatch(
      /Delete in the registry:\s+\S+:v1 \(the tag alone\)\s+\S+:v2 \(the tag alone\)\s+Sure\?/u,
    );
    pty.type("y\r");
    expect(await pty.ended).toBe(0);
    expect([await isThere(`${name}:v1`), await isThere(`${name}:v2`)]).toEqual([false, false]);
  });

  it("says what to type where a registry does not delete tags", async (context) => {
    const registry = await need(context, "registry", () => startRegistry());
    try {
      const name = `${registry.host}/team/filter`;
      const digest = await push(name, "v1", "v2");
      const run = await runCli(["rm", "--remote", "-y", `${name}:v1`], { home });
      expect([run.code, run.stdout]).toEqual([1, ""]);
      expect(run.stderr).toContain(`Error: ${registry.host} does not delete tags: team/filter:v1 is still there\n`);
      const hint = `wasme rm --remote ${name}@${digest} deletes the image, and the tag v2 with it`;
      expect(run.stderr).toContain(`Hint: ${hint}\n`);
      const [, typed = ""] = /wasme (rm .*) deletes/u.exec(hint) ?? [];
      expect((await runCli([...typed.split(" "), "-y"], { home })).code).toBe(0);
      expect(await isThere(`${name}:v2`)).toBe(false);
    } finally {
      await registry.stop();
    }
  });

  it("says so where a registry does not delete at all", async () => {
    const registry = await startFaultRegistry();
    try {
      const name = `${registry.host}/team/filter`;
      const digest = await push(name, "v1");
      registry.on(({ method }) => method === "DELETE", refuse(405, "UNSUPPORTED", "The operation is unsupported."));
      const tag = await runCli(["rm", "--remote", "-y", `${name}:v1`, "-o", "json"], { home });
      expect(tag.code).toBe(1);
      expect(JSON.parse(tag.stderr.split("\n").find((line) => line.startsWith("{")) ?? "")).toMatchObject({
        error: {
          code: "DELETE_UNSUPPORTED",
          hint: `it may delete by digest: wasme rm --remote ${name}@${digest} deletes the image, which has no other tag`,
          details: { manifestDigest: digest, otherTags: [], registryCode: "UNSUPPORTED" },
        },
      });
      const pinned = await runCli(["rm", "--remote", "-y", `${name}@${digest}`], { home });
      expect([pinned.code, pinned.stderr]).toEqual([1, expect.stringContaining("the registry does not delete")]);
    } finally {
      await registry.close();
    }
  });
});
