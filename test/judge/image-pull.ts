import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { type HttpAnswer, httpGet, HttpFailure } from "./http-get.ts";
import type { FetchDeps, FetchOutcome } from "./fetch-module.ts";
import { isModule, tarFiles } from "./unbox.ts";

/** `host[:port]/repository[:tag][@sha256:…]`, taken apart. */
interface ImageAddress {
  readonly host: string;
  readonly repository: string;
  /** A digest when there is one, else the tag. */
  readonly version: string;
}

/** Takes a reference apart; undefined for what is none. */
function parseImageAddress(text: string): ImageAddress | undefined {
  const match = /^(?<host>[^/]+)\/(?<repository>[^:@]+)(?::(?<tag>[^@]+))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/u.exec(
    text,
  );
  const { host, repository, tag, digest } = match?.groups ?? {};
  if (host === undefined || repository === undefined) return undefined;
  return { host, repository, version: digest ?? tag ?? "latest" };
}

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
}

/** An image's module by the rules of the agent that pulls `oci://` itself; `sha256` pins the manifest. */
export async function pullModule(
  deps: FetchDeps,
  request: { readonly url: string; readonly sha256: string | undefined; readonly timeoutMs: number },
): Promise<FetchOutcome> {
  const whole = new AbortController();
  const stop = deps.clock.after(request.timeoutMs, () => whole.abort());
  try {
    const address = parseImageAddress(request.url.replace(/^oci:\/\//u, ""));
    if (address === undefined) throw new Error(`${request.url} is no image reference`);
    const pull = opener(deps, address, whole.signal);
    const { layers, manifestHex } = await pull.manifest();
    if (request.sha256 !== undefined && request.sha256 !== manifestHex) {
      throw new Error(`has checksum ${manifestHex}, which does not match`);
    }
    const module = await moduleOf(layers, (digest) => pull.blob(digest));
    if (!isModule(module)) throw new Error("what came is no module");
    return { ok: true, sha256: createHash("sha256").update(module).digest("hex"), attempts: 1 };
  } catch (error) {
    return { ok: false, reason: (error as Error).message, attempts: 1 };
  } finally {
    stop();
  }
}

/** The files of an image's layers by path, as a kubelet mounts them. Throws what stands in the way. */
export async function pullFiles(deps: FetchDeps, reference: string): Promise<ReadonlyMap<string, Buffer>> {
  const address = parseImageAddress(reference);
  if (address === undefined) throw new Error(`${reference} is no image reference`);
  const pull = opener(deps, address, AbortSignal.timeout(60_000));
  const { layers } = await pull.manifest();
  const files = new Map<string, Buffer>();
  for (const layer of layers) {
    if (!TAR_LAYERS.has(layer.mediaType)) throw new Error(`${reference}: no engine unpacks ${layer.mediaType}`);
    for (const { name, content } of tarFiles(gunzipSync(await pull.blob(layer.digest)))) {
      files.set(name.replace(/^\.?\//u, ""), content);
    }
  }
  return files;
}

const COMPAT_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const SOLO_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm";
const TAR_LAYERS: ReadonlySet<string> = new Set([COMPAT_LAYER, DOCKER_LAYER]);
const ACCEPTED = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Layouts: the last layer a packed tar with `plugin.wasm`, or exactly two layers with the bare module as one. */
async function moduleOf(layers: readonly Layer[], blob: (digest: string) => Promise<Buffer>): Promise<Buffer> {
  const last = layers.at(-1);
  if (last !== undefined && TAR_LAYERS.has(last.mediaType)) {
    for (const { name, content } of tarFiles(gunzipSync(await blob(last.digest)))) {
      if (name.split("/").at(-1) === "plugin.wasm") return content;
    }
    throw new Error("the last layer has no plugin.wasm");
  }
  const bare = layers.find(({ mediaType }) => mediaType === SOLO_LAYER);
  if (layers.length === 2 && bare !== undefined) return blob(bare.digest);
  throw new Error(`no layout the agent reads: ${layers.map(({ mediaType }) => mediaType).join(", ")}`);
}

interface Opener {
  manifest(): Promise<{ readonly layers: readonly Layer[]; readonly manifestHex: string }>;
  blob(digest: string): Promise<Buffer>;
}

/** Plain http only: the registries of tests are on loopback, where no client asks for more. */
function opener(deps: FetchDeps, address: ImageAddress, whole: AbortSignal): Opener {
  const base = `http://${address.host}/v2/${address.repository}`;
  const get = (path: string): Promise<Buffer> => tried(deps, `${base}/${path}`, whole);
  return {
    manifest: async () => {
      const bytes = await get(`manifests/${address.version}`);
      const { layers } = JSON.parse(bytes.toString()) as { readonly layers?: readonly Layer[] };
      if (layers === undefined) throw new Error("an index, not an image");
      return { layers, manifestHex: createHash("sha256").update(bytes).digest("hex") };
    },
    blob: (digest) => get(`blobs/${digest}`),
  };
}

/** Statuses are tried again twice; a refused connection is final at once. */
async function tried(deps: FetchDeps, url: string, whole: AbortSignal): Promise<Buffer> {
  const { resolve, gone, clock } = deps;
  for (let attempt = 1; ; attempt += 1) {
    const signal = AbortSignal.any([whole, gone]);
    const answer: HttpAnswer | HttpFailure = await httpGet(url, {
      resolve,
      signal,
      headers: { accept: ACCEPTED },
    }).catch((error: HttpFailure) => error);
    const title = answer instanceof HttpFailure ? answer.message : `status ${answer.status}`;
    deps.onAttempt?.(title);
    if (!(answer instanceof HttpFailure) && answer.status === 200) return answer.body;
    const again = !(answer instanceof HttpFailure) && (answer.status >= 500 || answer.status === 429);
    if (!again || attempt === 3 || signal.aborted) throw new Error(title);
    await clock.sleep(1000 * 3 ** (attempt - 1));
  }
}
