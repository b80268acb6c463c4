import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, onTestFinished } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { type ImageReference, parseImageReference } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { createHttpTransport, type HttpRequest, type HttpTransport } from "../../src/platform/http-transport.ts";
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { createServerIdentity } from "../components/certificates.ts";
import { type RegistryAddress, type RegistryOptions, startRegistry } from "../components/registry.ts";
import { componentOf, type RegistryKind, registryKinds } from "../components/registry-kinds.ts";
import { type Component, component } from "../components/require-component.ts";
import { alice, registryUsers, type RegistryUser } from "../components/users.ts";
import { startHub } from "../support/hub.ts";
import { HELLO_WASM, writeModule } from "../support/modules.ts";

/** The runtime config of every image here. */
export const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } } as const;

/** The real filter's bytes. */
export const HELLO: Uint8Array = readFileSync(HELLO_WASM);
export const HELLO_DIGEST: string = digestOf(HELLO);

/** A registry that runs for the tests of one `describe`. */
export interface Site {
  /** Inside a test only. */
  readonly registry: () => RegistryAddress;
  /** A client as one command has it: nothing is known from an earlier one. Closed with the test. */
  readonly open: (settings?: ConnectOptions) => Watched;
  /** The registry's name for `team/filter:v1`. */
  readonly named: (path: string) => string;
  readonly at: (path: string) => ImageReference;
}

/** Every registry of the suite: others' and our own. */
export type SuiteKind = RegistryKind | "wasme";

/** All of them. */
export const suiteKinds: readonly SuiteKind[] = [...registryKinds, "wasme"];

/** How a registry of the suite is run. */
export type SuiteOptions = Pick<RegistryOptions, "auth" | "tls"> & { readonly kind: SuiteKind };

/** Starts a registry for the `describe` it is called in; where it is missing, the tests are skipped. */
export function useRegistry({ kind, ...options }: SuiteOptions): Site {
  let found: Component<RegistryAddress & { readonly stop: () => Promise<void> }> = { skip: "not started" };
  beforeAll(async () => {
    found =
      kind === "wasme"
        ? { ready: await startOurs(options) }
        : await component(componentOf[kind], () => startRegistry({ kind, ...options }));
  });
  afterAll(async () => {
    if ("ready" in found) await found.ready.stop();
  });
  beforeEach((context) => {
    if ("skip" in found) context.skip(found.skip);
  });
  const registry = (): RegistryAddress => {
    if ("skip" in found) throw new Error(found.skip);
    return found.ready;
  };
  const named = (path: string): string => `${registry().host}/${path}`;
  return {
    registry,
    open: (settings) => {
      const client = connect(registry(), settings);
      onTestFinished(() => client.close());
      return client;
    },
    named,
    at: (path) => parseImageReference(named(path)),
  };
}

/** The server of `wasme registry serve`, with the same users as the others. */
async function startOurs({
  auth = "none",
  tls = false,
}: Pick<RegistryOptions, "auth" | "tls">): Promise<RegistryAddress & { readonly stop: () => Promise<void> }> {
  const host = tls ? "127.0.0.2" : "127.0.0.1";
  let caFile: string | undefined;
  const hub = await startHub(async (dir) => {
    const htpasswd = join(dir, "htpasswd");
    writeFileSync(htpasswd, registryUsers.map((user) => `${user.htpasswd}\n`).join(""));
    const mode = auth === "token" ? "token" : "basic";
    const settings = { host, ...(auth === "none" ? {} : { auth: { mode, htpasswd } as const }) };
    if (!tls) return settings;
    mkdirSync(join(dir, "tls"));
    const identity = await createServerIdentity(join(dir, "tls"), host);
    caFile = identity.caFile;
    const [cert, key] = [identity.certificate, identity.key].map((file) => readFileSync(file, "utf8"));
    return { ...settings, tls: { cert: cert ?? "", key: key ?? "" } };
  });
  return { host: hub.host, caFile, user: auth === "none" ? undefined : alice, stop: () => hub.close() };
}

/** A client as one command has it, with what it sent. */
export interface Watched extends RegistryClient {
  /** `HEAD manifest`, `PUT upload`, `GET token`, …: every round trip, in the order they began. */
  readonly sent: readonly string[];
  /** The `range` headers among them. */
  readonly ranges: readonly string[];
}

/** What happens to requests on their way. */
export interface Wire {
  /** Another request in its place. */
  readonly rewrite?: (request: HttpRequest) => HttpRequest;
  /** The first blob that is downloaded breaks off after so many bytes. */
  readonly cutAfter?: number;
  /** The first answer to a request of this label gets lost; the registry has done what it was asked for. */
  readonly loseAnswer?: string;
}

/** As whom (`null` for nobody; default is the registry's user), and over what. */
export interface ConnectOptions extends Partial<RegistryClientOptions> {
  readonly as?: RegistryUser | null;
  readonly wire?: Wire;
}

function connect(registry: RegistryAddress, settings: ConnectOptions = {}): Watched {
  const { as = registry.user, wire = {}, ...options } = settings;
  const known: Credential | undefined = as
    ? { kind: "basic", username: as.username, password: as.password }
    : undefined;
  const trust = registry.caFile === undefined ? {} : { caFile: registry.caFile };
  const sent: string[] = [];
  const ranges: string[] = [];
  const transport = watch(createHttpTransport({ env: {} }), { sent, ranges, wire });
  const credentials = (): Promise<Credential | undefined> => Promise.resolve(known);
  const client = createRegistryClient({ env: {}, credentials, transport, ...trust, ...options });
  return { ...client, sent, ranges };
}

interface Log {
  readonly sent: string[];
  readonly ranges: string[];
  readonly wire: Wire;
}

function watch(inner: HttpTransport, { sent, ranges, wire }: Log): HttpTransport {
  let { cutAfter, loseAnswer } = wire;
  return {
    send: async (asked) => {
      const request = wire.rewrite?.(asked) ?? asked;
      const what = label(request);
      sent.push(what);
      const { range } = request.headers ?? {};
      if (range !== undefined) ranges.push(range);
      const response = await inner.send(request);
      const isFine = response.status < 300;
      if (isFine && what === loseAnswer) {
        loseAnswer = undefined;
        response.discard();
        throw reset();
      }
      if (!isFine || what !== "GET blob" || cutAfter === undefined) return response;
      const body = cut(response.body, cutAfter);
      cutAfter = undefined;
      return { ...response, body };
    },
    close: () => inner.close(),
  };
}

async function* cut(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) throw reset();
  }
}

function reset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
}

/** What a request is about. */
function label({ method, url }: HttpRequest): string {
  const { pathname } = url;
  if (pathname.endsWith("/token")) return `${method} token`;
  if (pathname.includes("/blobs/uploads/")) return `${method} upload`;
  const [, kind = ""] = /\/(manifests|blobs|tags|referrers)\/[^/]+$/u.exec(pathname) ?? [];
  return `${method} ${{ manifests: "manifest", blobs: "blob", tags: "tags", referrers: "referrers" }[kind] ?? pathname}`;
}

/** A store with one image in it: the real filter, padded to `size` bytes where given. */
export async function storeWith(
  dir: string,
  reference: string,
  size?: number,
): Promise<{ readonly store: ImageStore; readonly moduleDigest: string }> {
  const store = openStore(join(dir, "images"));
  const file = size === undefined ? HELLO_WASM : writeModule(dir, "filter.wasm", size);
  const request = { file, reference: parseImageReference(reference), runtimeConfig: CONFIG, check: true };
  const { moduleDigest } = await importImage({ store }, request);
  return { store, moduleDigest };
}

/** Alice with a password that is not hers. */
export const impostor: RegistryUser = { ...alice, password: "wrong" };
