import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { type Challenge, parseChallenges } from "../../src/registry/auth-challenge.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { isMetadataHost, redirectTarget } from "../../src/registry/redirects.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { parseRetryAfter } from "../../src/registry/retry.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { readAll } from "../support/fault-image.ts";
import { connectionReset, type ScriptedTransport, scriptedTransport } from "../support/scripted-transport.ts";

/** Headers of a server that means harm or knows no better: read right, or refused; never a crash. */

const REFERENCE = parseImageReference("registry.example.test/demo/filter:v1");
const HOME = new URL("https://registry.example.test/v2/");

/** Text as a header may hold it, often with the punctuation that parsers trip over. */
const headerText = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc
    .array(fc.constantFrom(...Array.from('<>"\\,;= \t:/?#%@[]()0189abBearerrelnext-')), { maxLength: 60 })
    .map((all) => all.join("")),
);

function repositoryOver(transport: ScriptedTransport): Repository {
  const credentials = (): Promise<{ kind: "basic"; username: string; password: string }> =>
    Promise.resolve({ kind: "basic", username: "alice", password: "s3cret" });
  return createRegistryClient({ env: {}, clock: fakeClock(), transport, credentials }).repository(REFERENCE, "push");
}

/** What came of it: the value, or the code of an error of ours; anything else fails the test. */
async function outcome<T>(work: Promise<T>): Promise<T | string> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WasmeError) return error.code;
    throw error;
  }
}

describe("www-authenticate", () => {
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}$/u);
  const quotable = fc.string({ unit: fc.constantFrom(...Array.from('abc ,="\\:/()<>@;\t')), maxLength: 20 });
  const params = fc.uniqueArray(fc.tuple(token, quotable), { maxLength: 4, selector: ([name]) => name.toLowerCase() });
  const challenges = fc.array(fc.tuple(token, params), { minLength: 1, maxLength: 4 });

  it("is read back as it was written, quoted commas and escapes and all", () => {
    fc.assert(
      fc.property(challenges, fc.constantFrom(", ", ",", " ,  "), (all, comma) => {
        const text = all
          .map(([scheme, list]) =>
            `${scheme} ${list.map(([name, value]) => `${name}=${quote(value)}`).join(comma)}`.trim(),
          )
          .join(comma);
        const expected: Challenge[] = all.map(([scheme, list]) => ({
          scheme: scheme.toLowerCase(),
          params: Object.fromEntries(list.map(([name, value]) => [name.toLowerCase(), value])),
        }));
        expect(parseChallenges(text)).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("of any text at all is a list, never a crash", () => {
    fc.assert(
      fc.property(fc.oneof(headerText, fc.string({ unit: "binary", maxLength: 300 })), (text) => {
        for (const { scheme, params: found } of parseChallenges(text)) {
          expect(scheme).toBe(scheme.toLowerCase());
          for (const value of Object.values(found)) expect(typeof value).toBe("string");
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("of great length is read in no time to speak of", () => {
    for (const piece of ["a ", 'a="', "a=b,", "\\", ', "', "a ===="]) {
      expect(parseChallenges(piece.repeat(20_000)).length).toBeGreaterThanOrEqual(0);
    }
  });
});

describe("retry-after", () => {
  const now = Date.UTC(2026, 0, 1);

  it("in seconds or as a date is the time to wait", () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), (seconds) => {
        expect(parseRetryAfter(` ${seconds} `, now)).toBe(seconds * 1000);
        expect(parseRetryAfter(new Date(now + seconds * 1000).toUTCString(), now)).toBe(seconds * 1000);
        expect(parseRetryAfter(new Date(now - seconds * 1000).toUTCString(), now)).toBe(0);
      }),
    );
  });

  it("of any other text is nothing, and never below zero or no number", () => {
    fc.assert(
      fc.property(fc.option(headerText, { nil: undefined }), (text) => {
        const wait = parseRetryAfter(text, now);
        expect(wait === undefined || wait >= 0).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps a client within its budget, whatever it says", async () => {
    const saying = fc.oneof(headerText, fc.nat(100).map(String), fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String));
    await fc.assert(
      fc.asyncProperty(saying, fc.constantFrom(429, 503), async (after, status) => {
        const clock = fakeClock();
        const transport = scriptedTransport(() => ({ status, headers: { "retry-after": after } }));
        const client = createRegistryClient({ env: {}, clock, transport });
        expect(await outcome(client.repository(REFERENCE).fetchManifest("v1"))).toMatch(
          /^REGISTRY_(?:BUSY|UNAVAILABLE)$/u,
        );
        expect(clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(15_000);
        expect(transport.requests.length).toBeLessThanOrEqual(5);
      }),
      { numRuns: 200 },
    );
  });
});

describe("link", () => {
  it("of any text leads nowhere but to the registry, and to an end", async () => {
    const target = fc.oneof(
      headerText,
      fc.webUrl(),
      fc.constantFrom("?last=a", "/v2/demo/filter/tags/list?last=a", "//evil.test/v2/", "/../../x"),
    );
    const link = fc.oneof(
      headerText,
      target.map((url) => `<${url}>; rel="next"`),
      target.map((url) => `<${url}>; a=b; REL=next`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(link, { minLength: 1, maxLength: 4 }), async (links) => {
        const page = (nth: number): Uint8Array => Buffer.from(JSON.stringify({ tags: [`t${nth}`] }));
        const transport = scriptedTransport((_request, nth) => {
          const next = links[nth];
          return { status: 200, headers: next === undefined ? {} : { link: next }, body: [page(nth)] };
        });
        const tags = await outcome(repositoryOver(transport).tags());
        expect(tags === "LIST_INVALID" || Array.isArray(tags)).toBe(true);
        expect(new Set(transport.requests.map(({ url }) => url.origin))).toEqual(new Set([HOME.origin]));
        expect(transport.requests.length).toBeLessThanOrEqual(links.length + 1);
      }),
      { numRuns: 500 },
    );
  });
});

describe("location", () => {
  const host = fc.constantFrom(
    "registry.example.test",
    "registry.example.test:8443",
    "evil.test",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "0xa9fea9fe",
    "metadata.google.internal",
    "[::ffff:169.254.169.254]",
  );
  const scheme = fc.constantFrom("http:", "https:", "file:", "ftp:", "data:", "javascript:", "");
  const user = fc.constantFrom("", "alice:s3cret@");
  const made = fc
    .tuple(scheme, user, host, headerText)
    .map(([first, who, where, rest]) => `${first}//${who}${where}/${rest}`);

  it("of any text is an address to go to, without user, or a refusal", () => {
    fc.assert(
      fc.property(fc.oneof(headerText, made, fc.webUrl()), (location) => {
        const target = targetOrRefused(location);
        if (target === undefined) return;
        expect(target.protocol).toBe("https:");
        expect(target.username + target.password).toBe("");
        expect(isMetadataHost(target.hostname)).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  it("never takes credentials to another origin, whoever sends us there", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(made, fc.webUrl()), fc.constantFrom("GET", "POST"), async (location, way) => {
        let challenged = false;
        const transport = scriptedTransport(({ headers, url }) => {
          if (url.origin === HOME.origin && headers?.["authorization"] === undefined) {
            challenged = true;
            return { status: 401, headers: { "www-authenticate": "Basic realm=x" } };
          }
          return url.origin === HOME.origin
            ? { status: way === "GET" ? 307 : 202, headers: { location } }
            : { status: 201 };
        });
        const repository = repositoryOver(transport);
        const bytes = Buffer.from("content");
        const work =
          way === "GET"
            ? repository.fetchManifest("v1")
            : repository.push(describeBytes("a/b", bytes), bytesSource(bytes));
        await outcome<unknown>(work);
        expect(challenged).toBe(true);
        const away = transport.requests.filter(({ url }) => url.origin !== HOME.origin);
        expect(
          away.filter(({ headers, url }) => headers?.["authorization"] !== undefined || url.username !== ""),
        ).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("content-range", () => {
  const module = Buffer.alloc(50_000, "some content that is not all the same");
  const descriptor = describeBytes(MediaType.soloModule, module);

  it("of any text, in any answer to a range: the right bytes, or an error", async () => {
    const range = fc.oneof(
      headerText,
      fc.tuple(fc.nat(60_000), fc.nat(60_000), fc.nat(60_000)).map(([a, b, c]) => `bytes ${a}-${b}/${c}`),
      fc.constantFrom("true", "true", "true"),
    );
    const cut = fc.record({
      at: fc.nat(50_000),
      range,
      status: fc.constantFrom(206, 206, 200, 416),
      shift: fc.constantFrom(0, 0, 0, 1, -1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 5 }), async (cuts) => {
        const transport = scriptedTransport(({ headers }, nth) => {
          const {
            at,
            range: said,
            status,
            shift,
          } = cuts[nth] ?? { at: module.byteLength, range: "true", status: 206, shift: 0 };
          const asked = /^bytes=(\d+)-$/u.exec(headers?.["range"] ?? "")?.[1];
          const start = asked === undefined || status === 200 ? 0 : Number(asked);
          const truth = `bytes ${start}-${module.byteLength - 1}/${module.byteLength}`;
          const partial = asked !== undefined && status === 206;
          return {
            status: asked === undefined ? 200 : status,
            headers: partial ? { "content-range": said === "true" ? truth : said } : {},
            body: cutAfter(module.subarray(Math.max(0, start + shift)), at),
          };
        });
        const got = await outcome(readAll(repositoryOver(transport).fetch(descriptor)));
        expect(typeof got === "string" ? got : Buffer.compare(got, module)).toBeOneOf([
          0,
          "BLOB_DAMAGED",
          "REGISTRY_UNREACHABLE",
          "REGISTRY_REFUSED",
          "BLOB_TRUNCATED",
        ]);
      }),
      { numRuns: 500 },
    );
  });
});

/** The bytes up to a place where the connection breaks; whole when it lies behind them. */
function* cutAfter(bytes: Uint8Array, at: number): Generator<Uint8Array> {
  for (let start = 0; start < Math.min(at, bytes.byteLength); start += 8192) {
    yield bytes.subarray(start, Math.min(start + 8192, at));
  }
  if (at < bytes.byteLength) throw connectionReset();
}

function quote(value: string): string {
  return `"${value.replaceAll(/[\\"]/gu, String.raw`\$&`)}"`;
}

/** `undefined` for a refusal; any other error is a crash. */
function targetOrRefused(location: string): URL | undefined {
  try {
    return redirectTarget(location, HOME, HOME);
  } catch (error) {
    if (error instanceof WasmeError && error.code === "REDIRECT_REFUSED") return undefined;
    throw error;
  }
}
