import { expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { resolveImage } from "../../../src/images/resolve-image.ts";
import { createRegistryClient } from "../../../src/registry/client.ts";
import { anonymous, type CredentialSource } from "../../../src/registry/credential.ts";
import { knownLayouts } from "../../support/layouts.ts";
import { type ScriptedTransport, scriptedTransport } from "../../support/scripted-transport.ts";

const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const asAlice: CredentialSource = () => Promise.resolve({ kind: "basic", username: "alice", password: "x" });
const NO_STORE = { entries: () => Promise.resolve([]) } as unknown as Parameters<typeof resolveImage>[0]["store"];
type Registry = "open" | "closed" | "busy" | "hiding" | "asking";

/** A registry with one image. Who has no credentials is told that of it which its kind says. */
function registryOf(kind: Registry): ScriptedTransport {
  const layers = knownLayouts(MODULE, "{}")["solo, two layers"]?.layers ?? [];
  const described = layers.map(({ mediaType, bytes }) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  }));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config: described[0], layers: described });
  const manifest = Buffer.from(text);
  const blobs = new Map(layers.map(({ bytes }) => [digestOf(bytes) as string, bytes]));
  const challenge = { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } };
  let asked = 0;
  return scriptedTransport(({ url, headers, method }) => {
    if (headers?.["authorization"] === undefined && kind !== "open") {
      asked += 1;
      // The first is from who has credentials, and is told to name itself.
      if (asked === 1 || kind === "closed") return challenge;
      if (kind === "busy") return { status: 503 };
      if (kind === "hiding") return { status: 404 };
    }
    const blob = blobs.get(url.pathname.split("/").at(-1) ?? "");
    if (blob !== undefined) return { status: 200, headers: { "content-length": `${blob.byteLength}` }, body: [blob] };
    const about = {
      "content-type": mediaType,
      "content-length": `${manifest.byteLength}`,
      "docker-content-digest": digestOf(manifest),
    };
    return { status: 200, headers: about, body: method === "HEAD" ? [] : [manifest] };
  });
}

it.each<[Registry, CredentialSource, true | undefined]>([
  ["closed", asAlice, true],
  ["hiding", asAlice, true],
  ["asking", asAlice, undefined],
  ["busy", asAlice, undefined],
  ["open", asAlice, undefined],
  ["open", anonymous, undefined],
])(
  "knows of an image of a registry that is %s whether proxies without credentials may read it",
  async (kind, credentials, isPrivate) => {
    const transport = registryOf(kind);
    const client = (source: CredentialSource): ReturnType<typeof createRegistryClient> =>
      createRegistryClient({ env: {}, transport, credentials: source, retryBudgetMs: 0 });
    const reference = parseImageReference("h.io/team/hello:v1");
    const deps = { store: NO_STORE, registry: client(credentials), stranger: client(anonymous) };
    const image = await resolveImage(deps, { reference, from: "registry" });
    expect(image.isPrivate).toBe(isPrivate);
    // Where nobody was asked for credentials, nobody has to ask a second time.
    const heads = transport.requests.filter(({ method, url }) => method === "HEAD" && url.pathname.endsWith("/v1"));
    expect(heads.length > 0).toBe(kind !== "open");
  },
);
