import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AgentOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { libraryLogin } from "../../../src/kube/library-login.ts";
import { type Login, plainLogin } from "../../../src/kube/plain-login.ts";
import { prepareKubeconfig } from "../../../src/kube/prepare-kubeconfig.ts";
import type { RawKubeconfig } from "../../../src/kube/merge-kubeconfig.ts";

let folder: string;
let file: (name: string) => string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wasme-login-"));
  file = (name) => join(folder, name);
  for (const name of ["ca", "cert", "key", "token"]) await writeFile(file(name), `of ${name}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const kubeconfig = (cluster: object, user: object, namespace?: string): RawKubeconfig => ({
  clusters: [{ name: "c", cluster: { server: "https://one:6443/", ...cluster } }],
  users: [{ name: "u", user }],
  contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace } }],
  "current-context": "x",
});

/** What a request would be sent with. */
async function shown(login: Login | undefined): Promise<unknown> {
  if (login === undefined) return undefined;
  const { headers, agent } = await login.authenticate();
  const { ca, cert, key, servername, rejectUnauthorized } = (agent as unknown as { readonly options: AgentOptions })
    .options;
  const tls = [ca, cert, key].map((one) => (Buffer.isBuffer(one) ? one.toString() : one));
  const trimmed = Object.entries(headers).map(([name, value]) => [name, value.trim()]);
  return {
    server: login.server,
    namespace: login.namespace,
    headers: Object.fromEntries(trimmed) as object,
    tls,
    servername,
    rejectUnauthorized,
    kind: agent.constructor.name,
    protocol: (agent as { protocol?: string }).protocol,
  };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const PLAIN: Readonly<Record<string, () => RawKubeconfig>> = {
  "certificates in files": () =>
    kubeconfig(
      { "certificate-authority": file("ca") },
      { "client-certificate": file("cert"), "client-key": file("key") },
    ),
  "certificates in the document": () =>
    kubeconfig(
      { "certificate-authority-data": base64("ca") },
      { "client-certificate-data": base64("cert"), "client-key-data": base64("key") },
      "shop",
    ),
  "a token": () => kubeconfig({ "tls-server-name": "two" }, { token: "t" }),
  "a token file": () => kubeconfig({}, { tokenFile: file("token"), token: "older" }),
  "a password": () => kubeconfig({ "insecure-skip-tls-verify": true }, { username: "me", password: "secret" }),
  "plain http": () => kubeconfig({ server: "http://127.0.0.1:8001" }, {}),
  "somebody else": () => kubeconfig({}, { token: "t", as: "jane" }),
};

describe("plainLogin", () => {
  it.each(Object.keys(PLAIN))("gets in by %s as the library does", async (name) => {
    const prepared = prepareKubeconfig(PLAIN[name]?.() ?? {}, {});
    const own = await shown(plainLogin(prepared));
    expect(own).toBeDefined();
    expect(own).toEqual(await shown(await libraryLogin(prepared)));
  });

  it("reads a token file anew each time", async () => {
    const login = plainLogin(prepareKubeconfig(kubeconfig({}, { tokenFile: file("rotated") }), {}));
    for (const token of ["one", "two"]) {
      await writeFile(file("rotated"), token);
      expect((await login?.authenticate())?.headers).toEqual({ authorization: `Bearer ${token}` });
    }
    await rm(file("rotated"));
    await expect(login?.authenticate()).rejects.toMatchObject({ code: "ENOENT" });
  });

  it.each([
    ["an exec plugin", {}, { exec: { command: "x" } }],
    ["OIDC", {}, { "auth-provider": { name: "oidc", config: {} } }],
    ["a proxy", { "proxy-url": "http://proxy:3128" }, { token: "t" }],
    ["a field nobody told us of", {}, { token: "t", pigeon: true }],
    ["a token that is none", {}, { token: 7 }],
    ["a cluster without a server", { server: "" }, {}],
  ])("leaves %s to the library", (_, cluster, user) => {
    expect(plainLogin(prepareKubeconfig(kubeconfig(cluster, user), {}))).toBeUndefined();
  });

  it("leaves what is malformed or missing to the library", () => {
    const good = kubeconfig({}, { token: "t" });
    expect(plainLogin(good)).toBeDefined();
    expect(plainLogin({ ...good, users: [] })).toBeUndefined();
    expect(plainLogin({ ...good, clusters: [...(good["clusters"] as object[]), { name: "d" }] })).toBeUndefined();
    expect(plainLogin(prepareKubeconfig(good, { HTTPS_PROXY: "http://proxy:3128" }))).toBeUndefined();
  });
});
