import { describe, expect, it, onTestFinished } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { failure } from "../support/failure.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import type { Fault } from "../support/fault-exchange.ts";
import { type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { pushEmpty, pushReferrer, putReferrer, testReferrer } from "../support/referrers.ts";

/** Lists, HEADs, old manifests and warnings; numbered after the list of cases a client is judged by. */

const image: TestImage = testImage(5000, "cases");

/** One page of tags; `link` as the registry would send it. */
function page(tags: readonly unknown[] | null, link?: string): Fault {
  const body = Buffer.from(JSON.stringify({ name: "demo/filter", tags }));
  return fault.change(() => ({ status: 200, headers: link === undefined ? {} : { link }, body }));
}

function next(query: string): string {
  return `</v2/demo/filter/tags/list?${query}>; rel="next"`;
}

describe("22. tags", () => {
  it("in 3 pages, the Link relative: all tags once, in order", async () => {
    const bench = await openBench();
    bench.registry.on("tags", page(["a", "b"], next("n=2&last=b")), 1);
    bench.registry.on("tags", page(["c", "a"], '<?n=2&last=c>; rel="next"'), 1);
    bench.registry.on("tags", page(["d"], '</v2/demo/filter/tags/list?n=9>; rel="prev"'), 1);
    expect(await bench.repository().tags()).toEqual(["a", "b", "c", "d"]);
    expect(bench.registry.requests.map(({ path }) => path)).toEqual([
      "/v2/demo/filter/tags/list",
      "/v2/demo/filter/tags/list?n=2&last=b",
      "/v2/demo/filter/tags/list?n=2&last=c",
    ]);
  });

  it("of a registry that pages: all of them", async () => {
    const bench = await openBench();
    const names = Array.from({ length: 7 }, (_each, at) => `v${at}`);
    for (const tag of names) await bench.publish(image, tag);
    const paged: Fault = async (exchange) => {
      const { request } = exchange;
      if (!/[?&]n=/u.test(request.url ?? ""))
        request.url = `${request.url ?? ""}${request.url?.includes("?") === true ? "&" : "?"}n=3`;
      await fault.change(() => ({}))(exchange);
    };
    bench.registry.on("tags", paged);
    expect(await bench.repository().tags()).toEqual(names);
    expect(bench.registry.count("tags")).toBe(3);
  });

  it("with nulls, digests and worse among them: left out", async () => {
    const bench = await openBench();
    bench.registry.on("tags", page(["a", null, 7, {}, image.manifestDescriptor.digest, "../x", "", "b"]));
    expect(await bench.repository().tags()).toEqual(["a", "b"]);
    bench.registry.reset();
    bench.registry.on("tags", page(null));
    expect(await bench.repository().tags()).toEqual([]);
  });

  it.each([
    ["on another host", '<http://127.0.0.1:1/v2/demo/filter/tags/list?last=a>; rel="next"'],
    ["at a file", '<file:///etc/passwd>; rel="next"'],
    ["where they began", next("last=a")],
  ])("whose next page is %s: refused, without asking there", async (_where, link) => {
    const bench = await openBench({ auth: { kind: "basic", username: "alice", password: "s3cret" } });
    bench.registry.on("tags", page(["a"], link));
    const error = await failure(bench.repository().tags());
    expect(error).toMatchObject({ code: "LIST_INVALID", hint: expect.any(String) });
    expect(bench.registry.count("tags")).toBeLessThanOrEqual(3);
  });

  it("without end: stopped", async () => {
    const bench = await openBench();
    let at = 0;
    const endless: Fault = (exchange) => page([`t${++at}`], next(`last=t${at}`))(exchange);
    bench.registry.on("tags", endless);
    expect((await failure(bench.repository().tags())).code).toBe("LIST_INVALID");
    expect(at).toBeLessThanOrEqual(1001);
  });

  it("in a page that breaks off: asked for again", async () => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on("tags", fault.cutBody(5, "reset"), 2);
    expect(await bench.repository().tags()).toEqual(["v1"]);
    expect(bench.registry.count("tags")).toBe(3);
  });
});

it.each([
  ["is answered 405", fault.status(405), 1],
  ["has no digest", fault.headers({ "docker-content-digest": "" }), 1],
  ["has no length", fault.headers({ "content-length": "" }), 1],
  ["has no media type", fault.headers({ "content-type": "" }), 1],
  ["has a vague media type", fault.headers({ "content-type": "application/json" }), 1],
])("23. a HEAD of a manifest that %s: GET instead", async (_what, script, gets) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.head", script);
  expect(await bench.repository().resolve("v1")).toEqual(image.manifestDescriptor);
  expect(bench.registry.count("manifest.get")).toBe(gets);
  expect((await bench.push(image)).unchanged).toBe(true);
});

it("23. no digest header in any answer: computed", async () => {
  const bench = await openBench();
  bench.registry.on(
    ["manifest.head", "manifest.get", "manifest.put", "blob.get", "upload.put"],
    without("docker-content-digest"),
  );
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  expect((await bench.pull()).manifestDigest).toBe(image.manifestDescriptor.digest);
});

const SIGNATURE = "application/vnd.example.signature";
const SBOM = "application/spdx+json";
const { digest } = image.manifestDescriptor;
const TAG = digest.replace(":", "-");
const signature = testReferrer(image.manifestDescriptor, { artifactType: SIGNATURE });
const sbom = testReferrer(image.manifestDescriptor, { artifactType: SBOM });

/** No referrers API, and not a word about subjects. */
function withoutApi({ registry }: Bench): void {
  registry.on("referrers", fault.status(404));
  registry.on(({ kind, path }) => kind === "manifest.put" && !path.includes(TAG), fault.headers({ "oci-subject": "" }));
}

describe("24. referrers", () => {
  it.each([
    ["200: of the API, nothing under a tag", false],
    ["404: of the index under the tag", true],
  ])("where the API answers %s", async (_what, absent) => {
    const bench = await openBench();
    await bench.publish(image);
    if (absent) withoutApi(bench);
    const to = bench.repository("push");
    for (const each of [signature, sbom]) await pushReferrer(to, each);
    const found = await to.referrers(digest);
    expect(found.map((each) => each.artifactType ?? "").toSorted()).toEqual([SBOM, SIGNATURE]);
    expect(bench.registry.requests.some(({ path }) => path.includes(`/manifests/${TAG}`))).toBe(absent);
  });

  it("where something else is under the tag: an error, and it stays there", async () => {
    const bench = await openBench();
    withoutApi(bench);
    await bench.publish(image);
    await bench.publish(image, TAG);
    const to = bench.repository("push");
    expect(await failure(to.referrers(digest))).toMatchObject({ code: "REFERRERS_INVALID" });
    expect(await failure(pushReferrer(to, signature))).toMatchObject({ code: "REFERRERS_INVALID" });
    expect(await to.resolve(TAG)).toEqual(image.manifestDescriptor);
  });

  it("where the filter is ignored: filtered here", async () => {
    const bench = await openBench();
    await bench.publish(image);
    const to = bench.repository("push");
    for (const each of [signature, sbom]) await pushReferrer(to, each);
    const ignore: Fault = async (exchange) => {
      exchange.request.url = (exchange.request.url ?? "").split("?", 1)[0] ?? "";
      await fault.headers({ "oci-filters-applied": "" })(exchange);
    };
    bench.registry.on("referrers", ignore);
    const found = await to.referrers(digest, { artifactType: SBOM });
    expect(found.map((each) => each.digest)).toEqual([sbom.descriptor.digest]);
    expect(bench.registry.requests.at(-1)?.path).toContain(`artifactType=${encodeURIComponent(SBOM)}`);
  });
});

describe("25. a manifest with a subject, where the registry says nothing of it", () => {
  it("is added to the index, which is kept whole", async () => {
    const bench = await openBench();
    withoutApi(bench);
    await bench.publish(image);
    const to = bench.repository("push");
    for (const each of [signature, sbom, signature]) await pushReferrer(to, each);
    const found = await to.referrers(digest);
    expect(found).toEqual([
      { ...signature.descriptor, artifactType: SIGNATURE },
      { ...sbom.descriptor, artifactType: SBOM },
    ]);
  });

  it("by two writers at once: none is lost", async () => {
    const bench = await openBench({ client: { clock: systemClock } });
    withoutApi(bench);
    await bench.publish(image);
    const clients = [1, 2, 3].map(() => createRegistryClient({ env: {} }));
    for (const client of clients) onTestFinished(() => client.close());
    const made = clients.map((_client, at) => testReferrer(image.manifestDescriptor, { artifactType: `x/${at}` }));
    await pushEmpty(bench.repository("push"));
    await Promise.all(
      clients.map(async (client, at) => {
        const each = made[at];
        if (each === undefined) return;
        await putReferrer(client.repository(parseImageReference(bench.reference()), "push"), each);
      }),
    );
    const found = await bench.repository().referrers(digest);
    expect(found.map((each) => each.artifactType ?? "").toSorted()).toEqual(["x/0", "x/1", "x/2"]);
  });
});

it.each([
  ["by its media type", MediaType.dockerManifestV1Signed, '{"schemaVersion":1,"name":"demo"}'],
  ["by its version", "application/json", '{"schemaVersion":1,"name":"demo","fsLayers":[]}'],
])("19. a schema 1 manifest, known %s: refused with advice, nothing stored", async (_how, type, text) => {
  const bench = await openBench();
  bench.registry.on(
    "manifest.get",
    fault.change(() => ({ status: 200, headers: { "content-type": type }, body: Buffer.from(text) })),
  );
  const error = await failure(bench.pull());
  expect(error).toMatchObject({
    code: "MANIFEST_UNSUPPORTED",
    kind: "incompatible",
    hint: expect.stringContaining("push"),
  });
  expect(bench.inspect()).toEqual({ names: [], faults: [] });
});

it("37. Warning headers: shown once, never acted on", async () => {
  const bench = await openBench();
  await bench.publish(image);
  const kinds = ["manifest.head", "manifest.get", "blob.get", "blob.head"] as const;
  bench.registry.on([...kinds], fault.headers({ warning: '299 - "this registry moves soon"' }));
  await bench.pull();
  await bench.pull();
  expect(warnings(bench)).toEqual([expect.stringContaining("this registry moves")]);
  expect(bench.has("local", image)).toBe(true);
});

it("37. two warnings in one header: each once; other kinds of warning: not", async () => {
  const bench = await openBench();
  await bench.publish(image);
  const text = '299 - "one", 110 - "response is stale", 299 - "two \\"quoted\\""';
  bench.registry.on(["manifest.get", "blob.get"], fault.headers({ warning: text }));
  await bench.pull();
  expect(warnings(bench)).toHaveLength(2);
  expect(warnings(bench)[0]).toContain("one");
  expect(warnings(bench)[1]).toContain("two");
});

function warnings({ events }: Bench): readonly string[] {
  return events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
}

function without(name: string): Fault {
  return fault.headers({ [name]: "" });
}
