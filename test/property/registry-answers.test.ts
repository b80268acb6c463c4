import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { openStore } from "../../src/store/image-store.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { hasImage, namesIn, wrongFiles } from "../support/fault-run.ts";
import { readAll, testImage } from "../support/fault-image.ts";
import {
  connectionReset,
  endlessPieces,
  type ScriptedAnswer,
  type ScriptedTransport,
  scriptedTransport,
} from "../support/scripted-transport.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Answers of any kind and any size: taken up to a limit, understood or refused; never a crash, nothing wrong stored. */

const REFERENCE = parseImageReference("registry.example.test/demo/filter:v1");
const KIB = 1024;
const MIB = KIB * KIB;
const image = testImage(20_000, "answers");
const account = { kind: "basic", username: "alice", password: "s3cret" } as const;

function clientOver(transport: ScriptedTransport): RegistryClient {
  return createRegistryClient({ env: {}, clock: fakeClock(), transport, credentials: () => Promise.resolve(account) });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    if (error.message.length + (error.hint?.length ?? 0) > 2000) throw new RangeError("a message without end");
    return error.code;
  }
}

const pieces = fc.integer({ min: 2 * KIB, max: 300 * KIB }).map((size) => Buffer.alloc(size, " "));

describe("an answer without end", () => {
  it.each([
    [
      "a manifest",
      4 * MIB,
      { status: 200 },
      (client: RegistryClient) => client.repository(REFERENCE).fetchManifest("v1"),
    ],
    ["a list of tags", 4 * MIB, { status: 200 }, (client: RegistryClient) => client.repository(REFERENCE).tags()],
    ["a catalogue", 4 * MIB, { status: 200 }, (client: RegistryClient) => client.catalog("registry.example.test")],
    [
      "an error",
      64 * KIB,
      { status: 400 },
      (client: RegistryClient) => client.repository(REFERENCE).fetchManifest("v1"),
    ],
    [
      "a refused login",
      64 * KIB,
      { status: 403 },
      (client: RegistryClient) => client.repository(REFERENCE).fetchManifest("v1"),
    ],
    [
      "a blob",
      20_000,
      { status: 200 },
      (client: RegistryClient) => readAll(client.repository(REFERENCE).fetch(image.moduleDescriptor)),
    ],
  ])("for %s is taken up to %i bytes and one piece", async (_what, limit, head, ask) => {
    await fc.assert(
      fc.asyncProperty(pieces, async (piece) => {
        const transport = scriptedTransport(() => ({ ...head, body: endlessPieces(piece) }));
        expect(await codeOf(ask(clientOver(transport)))).toMatch(
          /^(?:BODY_TOO_LARGE|REGISTRY_REFUSED|REGISTRY_DENIED|BLOB_DAMAGED)$/u,
        );
        // Blobs are gathered into pieces of half a MiB on their way.
        const gathered = head.status === 200 && limit === 20_000 ? 512 * KIB : 0;
        expect(transport.taken()).toBeLessThanOrEqual(limit + gathered + piece.byteLength);
      }),
      { numRuns: 25 },
    );
  });

  it("for a token is taken up to 128 KiB and one piece", async () => {
    await fc.assert(
      fc.asyncProperty(pieces, async (piece) => {
        const challenge = { "www-authenticate": 'Bearer realm="https://auth.example.test/token",service="x"' };
        const transport = scriptedTransport(({ url }): ScriptedAnswer => {
          return url.host === "auth.example.test"
            ? { status: 200, body: endlessPieces(piece) }
            : { status: 401, headers: challenge };
        });
        expect(await codeOf(clientOver(transport).repository(REFERENCE).fetchManifest("v1"))).toBe("BODY_TOO_LARGE");
        expect(transport.taken()).toBeLessThanOrEqual(128 * KIB + piece.byteLength);
      }),
      { numRuns: 25 },
    );
  });

  it("in single bytes takes no more memory than in large pieces", async () => {
    let most = 0;
    function* bytes(): Generator<Uint8Array> {
      for (let at = 0; ; at += 1) {
        if (at % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
        yield Buffer.from(" ");
      }
    }
    const before = process.memoryUsage().heapUsed;
    const transport = scriptedTransport(() => ({ status: 200, body: bytes() }));
    expect(await codeOf(clientOver(transport).repository(REFERENCE).fetchManifest("v1"))).toBe("BODY_TOO_LARGE");
    expect(transport.taken()).toBe(4 * MIB + 1);
    expect(most - before).toBeLessThan(150 * MIB);
  });

  it("that announces its size is not even begun", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 4 * MIB + 1, max: Number.MAX_SAFE_INTEGER }), async (size) => {
        const headers = { "content-length": String(size) };
        const transport = scriptedTransport(() => ({ status: 200, headers, body: endlessPieces(Buffer.alloc(KIB)) }));
        expect(await codeOf(clientOver(transport).repository(REFERENCE).fetchManifest("v1"))).toBe("BODY_TOO_LARGE");
        expect(transport.taken()).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

it("an encoded answer is never inflated, whatever it is encoded in", async () => {
  const encoding = fc.constantFrom(
    "gzip",
    "GZIP",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "gzip, identity",
    " gzip ",
    "aes128gcm",
  );
  await fc.assert(
    fc.asyncProperty(encoding, fc.boolean(), async (name, ofBlob) => {
      const transport = scriptedTransport(() => ({
        status: 200,
        headers: { "content-encoding": name },
        body: [gzipSync(image.manifest)],
      }));
      const repository = clientOver(transport).repository(REFERENCE);
      const work = ofBlob ? readAll(repository.fetch(image.moduleDescriptor)) : repository.fetchManifest("v1");
      expect(await codeOf(work)).toBe("BODY_ENCODED");
      expect(transport.taken()).toBe(0);
      expect(transport.requests.every(({ headers }) => headers?.["accept-encoding"] === undefined)).toBe(true);
    }),
  );
});

describe("a registry that answers anything", () => {
  const words = fc.constantFrom(
    "application/json",
    MediaType.ociManifest,
    MediaType.ociIndex,
    MediaType.dockerManifestV1,
    "text/html",
    "",
  );
  const digest = fc.constantFrom(image.manifestDescriptor.digest, image.configDescriptor.digest, "sha256:x", "");
  const header = fc.record({
    "content-type": words,
    "docker-content-digest": digest,
    "content-length": fc.constantFrom("0", "5", "20000", "-1", "x", ""),
    location: fc.constantFrom("/v2/", "https://registry.example.test/v2/x", "file:///etc/passwd", "?", ""),
    "www-authenticate": fc.constantFrom(
      "Basic realm=x",
      'Bearer realm="https://registry.example.test/token"',
      "Negotiate",
      "",
      '"',
    ),
    "retry-after": fc.constantFrom("0", "9", "x", ""),
    range: fc.constantFrom("0-5", "0-0", "5-", "x", ""),
    warning: fc.constantFrom('299 - "w"', "x", ""),
    link: fc.constantFrom('<?n=1>; rel="next"', "<", ""),
  });
  const body = fc.oneof(
    fc.constantFrom<Uint8Array>(
      image.manifest,
      image.config,
      image.module,
      Buffer.from("{}"),
      Buffer.from("null"),
      Buffer.alloc(0),
    ),
    fc.uint8Array({ maxLength: 50 }),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .constantFrom(
        '{"token":"t"}',
        '{"token":7}',
        '{"tags":[1]}',
        '{"errors":[{"code":"DENIED","message":"\\u001b[2J"}]}',
        '{"errors":{}}',
      )
      .map((text) => Buffer.from(text)),
  );
  const status = fc.constantFrom(
    200,
    200,
    200,
    201,
    202,
    204,
    206,
    301,
    307,
    400,
    401,
    403,
    404,
    405,
    409,
    413,
    416,
    429,
    500,
    503,
    999,
    100,
  );
  const answer = fc.record({ status, header, kept: fc.array(fc.nat(8)), body, broken: fc.boolean() });
  const answers = fc.array(answer, { minLength: 1, maxLength: 12 });

  function scripted(list: readonly (typeof answer extends fc.Arbitrary<infer T> ? T : never)[]): ScriptedTransport {
    return scriptedTransport((_request, nth) => {
      const made = list[nth % list.length];
      if (made === undefined) return { status: 500 };
      const entries = Object.entries(made.header).filter(([, value], at) => value !== "" && made.kept.includes(at));
      const whole = made.body;
      function* broken(): Generator<Uint8Array> {
        yield whole.subarray(0, whole.byteLength >> 1);
        throw connectionReset();
      }
      return { status: made.status, headers: Object.fromEntries(entries), body: made.broken ? broken() : [whole] };
    });
  }

  it("is pulled from rightly or with an error of ours, and nothing wrong is stored", async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (list) => {
        const transport = scripted(list);
        const store = openStore(`${tempDir()}/images`);
        const end = await codeOf(pullImage({ store, registry: clientOver(transport) }, { reference: REFERENCE }));
        expect(wrongFiles(store.dir)).toEqual([]);
        expect(namesIn(store.dir)).toHaveLength(end === "ok" ? 1 : 0);
        expect(end !== "ok" || hasImage(store.dir, "registry.example.test/demo/filter:v1", image)).toBe(true);
        expect(transport.requests.length).toBeLessThan(120);
      }),
      { numRuns: 300 },
    );
  });

  it("is pushed to, asked for tags and logged in to without a crash", async () => {
    await fc.assert(
      fc.asyncProperty(
        answers,
        fc.constantFrom("push", "manifest", "tags", "catalog", "login", "resolve"),
        async (list, way) => {
          const transport = scripted(list);
          const client = clientOver(transport);
          const repository = client.repository(REFERENCE, "push");
          const bytes = Buffer.from("a blob");
          const ways: Record<typeof way, () => Promise<unknown>> = {
            push: () => repository.push(describeBytes("a/b", bytes), bytesSource(bytes)),
            manifest: () => repository.pushManifest("v1", image.manifest, MediaType.ociManifest),
            tags: () => repository.tags(),
            catalog: () => client.catalog("registry.example.test"),
            login: () => client.verifyLogin("registry.example.test", account),
            resolve: () => repository.resolve("v1"),
          };
          await codeOf(ways[way]());
          expect(transport.requests.length).toBeLessThan(2000);
          const away = transport.requests.filter(({ url }) => url.origin !== "https://registry.example.test");
          expect(away.filter(({ headers }) => headers?.["authorization"] !== undefined)).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });
});
