import { readFile } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createServerIdentity } from "../components/certificates.ts";
import { need } from "../components/require-component.ts";
import { failure } from "../support/failure.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import { type Fault, send } from "../support/fault-exchange.ts";
import { storeTestImage, type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { startProxy } from "../support/fault-proxy.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What a client must do when uploads go wrong; the numbers are those of the list of cases it is judged by. */

const image: TestImage = testImage(400_000, "cases");
const basic = { kind: "basic", username: "alice", password: "s3cret" } as const;

/** Bodies of the uploads that arrived whole, by their digests; a body in pieces is not among them. */
function wholeBodies({ registry }: Pick<Bench, "registry">): readonly string[] {
  const puts = registry.requests.filter(({ kind }) => kind === "upload.put");
  return puts
    .filter(({ headers, received }) => received > 0 && received === Number(headers["content-length"]))
    .map(({ bodyDigest }) => bodyDigest);
}

it.each([500, 502, 503])(
  "1. %i on each POST and PUT, twice, then ok: the same bytes again, stored once",
  async (status) => {
    const bench = await openBench();
    for (const kind of ["upload.post", "upload.put", "manifest.put"] as const)
      bench.registry.on(kind, fault.status(status), 2);
    await bench.push(image);
    expect(bench.has("registry", image)).toBe(true);
    const manifests = bench.registry.requests.filter(({ kind }) => kind === "manifest.put");
    expect(manifests).toHaveLength(3);
    expect(new Set(manifests.map(({ bodyDigest }) => bodyDigest))).toEqual(new Set([image.manifestDescriptor.digest]));
    const known = [image.configDescriptor.digest, image.moduleDescriptor.digest];
    expect(wholeBodies(bench).filter((digest) => !known.includes(digest as (typeof known)[number]))).toEqual([]);
    expect(await bench.registry.openUploads()).toEqual([]);
    expect(bench.inspect().faults).toEqual([]);
  },
);

it.each([
  ["another port", {}],
  ["another host", { elsewhereName: "localhost" }],
])("9. an upload Location on %s: the body goes there, the credentials do not", async (_where, registry) => {
  const bench = await openBench({ auth: basic, registry });
  bench.registry.on("upload.post", fault.locationElsewhere());
  bench.registry.onElsewhere(["upload.put", "upload.patch"], fault.refuseCredentials());
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  const away = bench.registry.requests.filter(({ origin }) => origin === "elsewhere");
  expect(away.map(({ bodyDigest }) => bodyDigest).toSorted()).toEqual(
    [image.configDescriptor.digest, image.moduleDescriptor.digest].toSorted(),
  );
  expect(away.flatMap(({ headers }) => [headers.authorization, headers.cookie])).toEqual(Array(4).fill(undefined));
  const home = bench.registry.requests.filter((each) => each.origin === "registry").slice(1);
  expect(home.every(({ authorization }) => authorization !== undefined)).toBe(true);
});

it.each([
  ["relative", "", fault.change(() => ({}))],
  ["relative, with a query", "_state=a%2Fb%3D%3D&x=1&", query("?_state=a%2Fb%3D%3D&x=1")],
  ["absolute", "", fault.locationAbsolute()],
])("10. a %s Location: the digest is added, all else kept", async (_how, before, script) => {
  const bench = await openBench();
  bench.registry.on("upload.post", script);
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  const puts = bench.registry.requests.filter(({ kind }) => kind === "upload.put");
  for (const { path } of puts) expect(path).toMatch(/^\/v2\/demo\/filter\/blobs\/uploads\/[^?]+\?/u);
  const queries = puts.map(({ path }) => path.slice(path.indexOf("?") + 1)).toSorted();
  const digests = [image.configDescriptor.digest, image.moduleDescriptor.digest];
  expect(queries).toEqual(digests.map((digest) => `${before}digest=${digest}`).toSorted());
});

it("10. a Location that spells out port 443: the same origin, credentials and all", async (context) => {
  const dir = tempDir();
  const identity = await need(context, "openssl", () => createServerIdentity(dir, "registry.example.test"));
  const tls = { cert: await readFile(identity.certificate), key: await readFile(identity.key) };
  const bench = await openBench({ auth: basic, registry: { tls } });
  const proxy = await startProxy(bench.registry.host);
  onTestFinished(() => proxy.close());
  const spelt = fault.change((answer) => {
    const location = `https://registry.example.test:443${answer.headers["location"] ?? ""}`;
    return { headers: { ...answer.headers, location } };
  });
  bench.registry.on("upload.post", spelt);
  const client = createRegistryClient({
    env: { HTTPS_PROXY: proxy.url },
    caFile: identity.caFile,
    credentials: () => Promise.resolve(basic),
  });
  onTestFinished(() => client.close());
  const to = client.repository(parseImageReference("registry.example.test/demo/filter:v1"), "push");
  await to.resolve("v1");
  await to.push(image.moduleDescriptor, bytesSource(image.module));
  const put = bench.registry.requests.find(({ kind }) => kind === "upload.put");
  expect(put?.authorization).toMatch(/^Basic /u);
  expect(put?.bodyDigest).toBe(image.moduleDescriptor.digest);
  expect(proxy.log.every((line) => line === "CONNECT registry.example.test:443")).toBe(true);
});

it.each([
  ["nowhere", { location: "" }, "UPLOAD_REFUSED"],
  ["to a file", { location: "file:///etc/passwd" }, "REDIRECT_REFUSED"],
  ["to a metadata service", { location: "http://169.254.169.254/upload" }, "REDIRECT_REFUSED"],
])("8. an upload that leads %s: refused, no byte sent", async (_where, head, code) => {
  const bench = await openBench();
  bench.registry.on("upload.post", fault.headers(head));
  const error = await failure(bench.push(image));
  expect(error).toMatchObject({ code, hint: expect.any(String) });
  expect(bench.registry.count("upload.put")).toBe(0);
  expect(bench.registry.count("manifest.put")).toBe(0);
});

it.each([
  [
    "each answered 201",
    headersOf("upload.patch", (answer) => ({ status: answer.status === 202 ? 201 : answer.status })),
  ],
  ["a smallest length announced", headersOf("upload.post", minLength(150_000))],
  ["one cut short by the registry", (on: Bench) => on.registry.on("upload.patch", fault.takeBeginning(70_000), 1)],
  ["one arrived, its answer lost", (on: Bench) => on.registry.on("upload.patch", fault.loseAnswer(), 1)],
  ["one reset in its middle", (on: Bench) => on.registry.on("upload.patch", fault.resetUpload(40_000), 1)],
  ["one answered 416 with the Range", outOfStep],
  [
    "no Range in any answer",
    headersOf("upload.patch", ({ headers: { range: _range, ...rest } }) => ({ headers: rest })),
  ],
] as const)("26. an upload in pieces, %s: goes on where the registry is", async (_what, script) => {
  const bench = await openBench({ client: { chunkSize: 100_000 } });
  script(bench);
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  expect(bench.registry.count("upload.patch")).toBeGreaterThanOrEqual(3);
  expect(await bench.registry.openUploads()).toEqual([]);
  expect(bench.inspect().faults).toEqual([]);
});

it("26. an upload in pieces of which the registry claims more than it was sent: an error, nothing reported", async () => {
  const bench = await openBench({ client: { chunkSize: 100_000 } });
  bench.registry.on("upload.patch", fault.headers({ range: "0-399998" }));
  const error = await failure(bench.push(image));
  expect(error).toMatchObject({ code: "UPLOAD_REFUSED", hint: expect.any(String) });
  expect(bench.registry.count("manifest.put")).toBe(0);
  expect(await bench.registry.openUploads()).toEqual([]);
});

it.each([
  ["201", undefined, "mounted"],
  ["202", fault.withoutMount(), "written"],
  ["400", fault.refuse(400, "UNSUPPORTED", "no mounts"), "written"],
  ["404", fault.status(404), "written"],
  ["405", fault.status(405), "written"],
] as const)("27. a mount answered %s: ends in a blob", async (_status, script, placement) => {
  const bench = await openBench();
  await storeTestImage(bench.registry.store, image, "registry/demo/other:v1");
  if (script !== undefined) bench.registry.on(({ path }) => path.includes("mount="), script);
  const reference = parseImageReference(bench.reference());
  const to = bench.client.repository(reference, "push", () => ["demo/other"]);
  expect(await to.push(image.moduleDescriptor, bytesSource(image.module))).toBe(placement);
  expect(await to.exists(image.moduleDescriptor)).toBe(true);
  const asked = bench.registry.requests.find(({ path }) => path.includes("mount="))?.path ?? "";
  expect(asked).toBe(`/v2/demo/filter/blobs/uploads/?mount=${image.moduleDescriptor.digest}&from=demo%2Fother`);
  expect(wholeBodies(bench)).toEqual(placement === "mounted" ? [] : [image.moduleDescriptor.digest]);
  expect(await bench.registry.openUploads()).toEqual([]);
});

it("28. a blob that is there: no upload", async () => {
  const bench = await openBench();
  await bench.publish(image, "other");
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  const bodies = bench.registry.requests.map(({ bodyDigest }) => bodyDigest);
  expect(bodies).not.toContain(image.moduleDescriptor.digest);
  bench.registry.reset();
  expect((await bench.push(image)).unchanged).toBe(true);
  expect(bench.wire()).toEqual(["manifest.head"]);
});

it("28. the same blob twice in a manifest: uploaded once", async () => {
  const bench = await openBench();
  await bench.push(image);
  // The runtime config is the config and the first layer: one upload, beside that of the module.
  expect(wholeBodies(bench).toSorted()).toEqual(
    [image.configDescriptor.digest, image.moduleDescriptor.digest].toSorted(),
  );
  expect(bench.registry.count("upload.post")).toBe(2);
});

it.each([
  ["by a reset", fault.resetUpload(1000)],
  ["by a lost answer", fault.loseAnswer()],
  ["in the middle of the answer", fault.loseAnswerAfter(20)],
  ["by a kept connection that was reset", fault.resetAfterAnswer()],
])("an upload that ends %s: arrives, and nothing is reported that is not there", async (_how, script) => {
  const bench = await openBench();
  bench.registry.on("upload.put", script, 1);
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  expect(await bench.registry.openUploads()).toEqual([]);
});

it("an upload of which the registry kept only the beginning: an error, never reported as pushed", async () => {
  const bench = await openBench();
  bench.registry.on("upload.put", fault.takeBeginning(1000));
  const error = await failure(bench.push(image));
  expect(error.kind).toBe("failed");
  expect(bench.registry.count("manifest.put")).toBe(0);
  expect(await bench.registry.store.sizeOf(image.moduleDescriptor.digest)).toBeUndefined();
  expect(await bench.registry.openUploads()).toEqual([]);
});

it("a blob the registry only claims to have: the manifest is refused, the push fails", async () => {
  const bench = await openBench();
  bench.registry.on("blob.head", fault.status(200));
  const error = await failure(bench.push(image));
  expect(error).toMatchObject({ code: "REGISTRY_REFUSED", details: { registryCode: "MANIFEST_BLOB_UNKNOWN" } });
});

function query(text: string): Fault {
  return fault.change((answer) => {
    return { headers: { ...answer.headers, location: `${answer.headers["location"] ?? ""}${text}` } };
  });
}

/** All answers to requests of a kind, changed. */
function headersOf(
  kind: "upload.post" | "upload.patch",
  edit: Parameters<typeof fault.change>[0],
): (on: Bench) => void {
  return ({ registry }) => registry.on(kind, fault.change(edit));
}

function minLength(bytes: number): Parameters<typeof fault.change>[0] {
  return (answer) => ({ headers: { ...answer.headers, "oci-chunk-min-length": String(bytes) } });
}

/** The first piece is said to be there, but its end is not: the second one is answered 416, with the truth. */
function outOfStep({ registry }: Bench): void {
  const lie: Fault = async (exchange) => {
    const answer = await exchange.answer({ bodyLimit: 70_000 });
    send(exchange.response, { ...answer, headers: { ...answer.headers, range: "0-99999" } });
  };
  registry.on("upload.patch", lie, 1);
}
