import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { knowAccount, openPeer, type Peer, type PeerName } from "../components/peers.ts";
import { need } from "../components/require-component.ts";
import { tempDir } from "../support/temp-dir.ts";
import { HUB_MODES, type ModeServer, startMode } from "./hub-support.ts";

/** What people do with a registry by other tools: attach, discover, list, copy, delete. */
describe.each(HUB_MODES.filter((mode) => mode !== "TLS and token"))("a registry that is %s", (mode) => {
  let server: ModeServer;
  beforeAll(async () => {
    server = await startMode(mode);
  });
  afterAll(async () => await server.close());

  async function open(context: TestContext, name: PeerName): Promise<{ readonly peer: Peer; readonly home: string }> {
    const home = tempDir();
    const address = { host: server.hub.host, user: server.user, caFile: undefined };
    const peer = await need(context, name, async () => await openPeer(name, address, home));
    await knowAccount(peer, address);
    return { peer, home };
  }

  it("takes artifacts and what oras attaches to them, lists and deletes both", async (context) => {
    const { peer, home } = await open(context, "oras");
    const folder = join(home, "files");
    mkdirSync(folder);
    writeFileSync(join(folder, "a.txt"), "artifact");
    writeFileSync(join(folder, "sbom.json"), "{}");
    const image = `${server.hub.host}/oras/artifact`;
    const trust = peer.trust();
    const run = async (...args: readonly string[]): Promise<string> =>
      (await peer.run([...args, ...trust], folder)).stdout;
    await run("push", "--no-tty", "--artifact-type", "application/vnd.example.a", `${image}:v1`, "a.txt");
    await run("tag", `${image}:v1`, "v2", "v3");
    const attach = ["attach", "--no-tty", "--artifact-type", "application/vnd.example.sbom"];
    await run(...attach, "--annotation", "note=hello", `${image}:v1`, "sbom.json");

    expect((await run("repo", "tags", image)).trim().split("\n")).toEqual(["v1", "v2", "v3"]);
    expect(await run("repo", "ls", server.hub.host)).toContain("oras/artifact\n");
    const discovered = await run("discover", "--format", "json", `${image}:v1`);
    const found = JSON.parse(discovered) as {
      readonly manifests?: readonly object[];
      readonly referrers?: readonly object[];
    };
    expect(found.referrers ?? found.manifests).toMatchObject([
      { artifactType: "application/vnd.example.sbom", annotations: { note: "hello" } },
    ]);
    // No fallback tag was made: the server has the referrers API, and oras saw that.
    expect(await run("repo", "tags", image)).not.toContain("sha256-");

    await run("manifest", "delete", "--force", `${image}:v1`);
    expect((await run("repo", "tags", image)).trim()).toBe("");
    await expect(run("manifest", "fetch", `${image}:v2`)).rejects.toThrow(/not found|NAME_UNKNOWN|MANIFEST_UNKNOWN/u);
  });

  it("takes and gives blobs by oras, and deletes them", async (context) => {
    const { peer, home } = await open(context, "oras");
    writeFileSync(join(home, "blob"), "bytes of a blob");
    const name = `${server.hub.host}/oras/blobs`;
    const pushed = await peer.run(["blob", "push", "--no-tty", "--descriptor", ...peer.trust(), name, "blob"], home);
    const { digest } = JSON.parse(pushed.stdout) as { readonly digest: string };
    const fetch = async (): Promise<string> =>
      (await peer.run(["blob", "fetch", "--no-tty", ...peer.trust(), "-o", "-", `${name}@${digest}`], home)).stdout;
    expect(await fetch()).toBe("bytes of a blob");
    await peer.run(["blob", "delete", "--force", ...peer.trust(), `${name}@${digest}`], home);
    await expect(fetch()).rejects.toThrow(/not found/u);
  });

  it("is listed, copied within and cleaned by crane", async (context) => {
    const { peer, home } = await open(context, "crane");
    const run = async (...args: readonly string[]): Promise<string> =>
      (await peer.run([...args, ...peer.trust()], home)).stdout.trim();
    writeFileSync(join(home, "plugin.wasm"), Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    execFileSync("tar", ["-cf", "layer.tar", "plugin.wasm"], { cwd: home });
    const image = `${server.hub.host}/crane/image`;
    await run("append", "--oci-empty-base", "-f", "layer.tar", "-t", `${image}:v1`);
    const digest = await run("digest", `${image}:v1`);
    await run("copy", `${image}:v1`, `${server.hub.host}/crane/copy:v1`);
    await run("tag", `${image}:v1`, "v2");
    expect((await run("catalog", server.hub.host)).split("\n")).toEqual(
      expect.arrayContaining(["crane/copy", "crane/image"]),
    );
    expect((await run("ls", image)).split("\n")).toEqual(["v1", "v2"]);
    await run("validate", "--remote", `${server.hub.host}/crane/copy:v1`);
    await run("delete", `${image}@${digest}`);
    expect(await run("ls", image)).toBe("");
    expect(await run("digest", `${server.hub.host}/crane/copy:v1`)).toBe(digest);
  });
});
