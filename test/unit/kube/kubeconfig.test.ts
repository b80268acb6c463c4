import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadKubeconfig } from "../../../src/kube/kubeconfig.ts";

describe("loadKubeconfig", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-kubeconfig-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const config = (name: string, server: string, more = ""): string => `
clusters: [{name: ${name}, cluster: {server: "${server}", certificate-authority: ca.crt}}]
users: [{name: ${name}, user: {client-certificate: me.crt, client-key: /abs/me.key}}]
contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]
${more}`;
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, text);
    return path;
  };

  it("merges a list, the first to name something wins, and skips what does not exist", async () => {
    const one = await put("a/one", config("x", "https://one", "current-context: x"));
    const two = await put("b/two", config("x", "https://two", "current-context: y") + "\n");
    const three = await put("c/three", config("z", "https://three"));
    const env = { KUBECONFIG: [one, join(folder, "missing"), two, three].join(delimiter) };
    expect(await loadKubeconfig({ env, cwd: folder })).toMatchObject({
      "current-context": "x",
      clusters: [
        { name: "x", cluster: { server: "https://one", "certificate-authority": join(folder, "a/ca.crt") } },
        { name: "z", cluster: { server: "https://three", "certificate-authority": join(folder, "c/ca.crt") } },
      ],
      users: [{ user: { "client-certificate": join(folder, "a/me.crt"), "client-key": "/abs/me.key" } }, { name: "z" }],
    });
  });

  it("takes an exec plugin named with a folder relative to the kubeconfig, and a bare name as it is", async () => {
    const exec = (command: string): string => `users: [{name: x, user: {exec: {command: ${command}}}}]\n`;
    const context = "clusters: []\ncontexts: [{name: x, context: {}}]\ncurrent-context: x\n";
    for (const [typed, found] of [
      ["./bin/plugin", join(folder, "a/bin/plugin")],
      ["plugin", "plugin"],
      ["/abs/plugin", "/abs/plugin"],
    ] as const) {
      const file = await put("a/exec", context + exec(typed));
      expect(await loadKubeconfig({ file, env: {}, cwd: "/" })).toMatchObject({
        users: [{ user: { exec: { command: found } } }],
      });
    }
  });

  it("prefers the flag, and falls back to the home folder", async () => {
    const flagged = await put("flag", config("f", "https://f", "current-context: f"));
    await put(".kube/config", config("h", "https://h", "current-context: h"));
    const env = { HOME: folder };
    expect((await loadKubeconfig({ env, cwd: folder, file: flagged }))["current-context"]).toBe("f");
    expect((await loadKubeconfig({ env, cwd: folder }))["current-context"]).toBe("h");
  });

  it("takes the context asked for, and names those there are otherwise", async () => {
    const file = await put("config", config("a", "https://a"));
    expect((await loadKubeconfig({ env: {}, cwd: folder, file, context: "a" }))["current-context"]).toBe("a");
    const wrong = loadKubeconfig({ env: {}, cwd: folder, file, context: "b" });
    await expect(wrong).rejects.toMatchObject({
      kind: "usage",
      code: "KUBE_CONTEXT_NOT_FOUND",
      hint: "contexts there: a",
    });
    await expect(loadKubeconfig({ env: {}, cwd: folder, file })).rejects.toMatchObject({
      code: "KUBE_CONTEXT_NOT_FOUND",
    });
  });

  it("says where it looked when there is none", async () => {
    const none = { kind: "usage", code: "KUBECONFIG_MISSING" };
    await expect(loadKubeconfig({ env: { HOME: folder }, cwd: folder })).rejects.toMatchObject({
      ...none,
      message: "no kubeconfig: there is no ~/.kube/config",
    });
    const listed = { KUBECONFIG: join(folder, "gone") };
    await expect(loadKubeconfig({ env: listed, cwd: folder })).rejects.toMatchObject({
      ...none,
      message: `no kubeconfig: no file named by KUBECONFIG (${join(folder, "gone")}) exists`,
    });
    await expect(loadKubeconfig({ env: {}, cwd: folder, file: "gone" })).rejects.toMatchObject(none);
  });

  it.each([
    ["no YAML", "a: [", "it is not YAML"],
    ["a list", "- a", "it is not a mapping"],
    ["a folder", undefined, "cannot be read"],
  ])("refuses %s as broken", async (_, text, why) => {
    const file = text === undefined ? folder : await put("config", text);
    await expect(loadKubeconfig({ env: {}, cwd: folder, file })).rejects.toMatchObject({
      kind: "usage",
      code: "KUBECONFIG_INVALID",
      message: expect.stringContaining(why) as string,
    });
  });
});
