import { expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { failure } from "../support/failure.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import type { Fault } from "../support/fault-exchange.ts";
import { type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import type { FaultRegistry } from "../support/fault-registry.ts";

/** What a client must do when downloads go wrong; the numbers are those of the list of cases it is judged by. */

const image: TestImage = testImage(400_000, "cases");

/** The requests for the module. */
function moduleRequests({ registry }: Pick<Bench, "registry">): FaultRegistry["requests"] {
  return registry.requests.filter(isModule);
}

function isModule({ kind, path }: FaultRegistry["requests"][number]): boolean {
  return kind === "blob.get" && path.endsWith(image.moduleDescriptor.digest);
}

/** How a pull was refused, `CODE: message`; also tells when anything but verified content is here, or a name. */
async function refusal(bench: Bench): Promise<string> {
  const error = await failure(bench.pull());
  const { names, faults } = bench.inspect();
  const left = [...names, ...faults, ...(error.message.length > 1000 ? ["a message without end"] : [])];
  return `${left.length === 0 ? "" : `LEFT BEHIND ${left.join(", ")}; `}${error.code}: ${error.message}`;
}

it.each([500, 502, 503])("1. %i on each GET, twice, then ok: asked again, the right bytes", async (status) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.get", fault.status(status), 2);
  bench.registry.on(isModule, fault.status(status), 2);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  expect(bench.registry.count("manifest.get")).toBe(3);
  expect(moduleRequests(bench)).toHaveLength(3);
  expect(bench.inspect().faults).toEqual([]);
});

it.each([1, 10_000, 399_999])("2. reset mid-download at %i bytes: resumed by range, the digest right", async (at) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, fault.cutBody(at, "fin"), 1);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  expect(moduleRequests(bench).map(({ range }) => range)).toEqual([undefined, `bytes=${at}-`]);
});

it("2. reset mid-download where the registry cannot do ranges: started over, the digest right", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, fault.cutBody(300_000, "fin"), 1);
  bench.registry.on(isModule, fault.noRange());
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
});

it.each([
  ["another start", { "content-range": "bytes 5-399999/400000" }],
  ["another end", { "content-range": "bytes 300000-399998/400000" }],
  ["another size", { "content-range": "bytes 300000-399999/400001" }],
  ["nonsense", { "content-range": "lines 1-2/3" }],
  ["nothing", { "content-range": "" }],
])("3. a 206 whose Content-Range tells of %s: discarded, started over", async (_what, head) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, fault.cutBody(300_000, "fin"), 1);
  bench.registry.on(isModule, fault.headers(head), 1);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  expect(moduleRequests(bench).map(({ range }) => range)).toEqual([undefined, "bytes=300000-", undefined]);
});

it.each([
  ["a 200 with everything", fault.noRange()],
  ["a 416", fault.status(416)],
])("3. %s to a Range: started over", async (_what, script) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, fault.cutBody(300_000, "fin"), 1);
  bench.registry.on(isModule, script, 1);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
});

it("4. wrong bytes of the right length: an error, nothing stored", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, fault.wrongByte());
  expect(await refusal(bench)).toMatch(/^BLOB_DAMAGED: /u);
  expect(await bench.local.sizeOf(image.moduleDescriptor.digest)).toBeUndefined();
});

it("4. a manifest with another digest in the header: an error, nothing stored", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.get", fault.headers({ "docker-content-digest": image.configDescriptor.digest }));
  expect(await refusal(bench)).toMatch(/^MANIFEST_DAMAGED: /u);
  expect(bench.registry.count("blob.get")).toBe(0);
});

it("4. a manifest with other bytes and the right header: an error, nothing stored", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.get", fault.wrongByte());
  expect(await refusal(bench)).toMatch(/^MANIFEST_DAMAGED: /u);
});

it.each([
  ["short", fault.body((real) => real.subarray(0, -1))],
  ["long", fault.body((real) => Buffer.concat([real, Buffer.from("x")]))],
  ["empty", fault.body(() => Buffer.alloc(0))],
  ["long by far, its length untold", untold((real) => Buffer.concat([real, Buffer.alloc(100_000)]))],
  ["short, its length untold, always", untold((real) => real.subarray(0, 1000))],
])("5. a %s body against the size of the descriptor: an error, nothing stored", async (what, script) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on(isModule, script);
  expect(await refusal(bench)).toMatch(
    new RegExp(`^${what.startsWith("short,") ? "BLOB_TRUNCATED" : "BLOB_DAMAGED"}: `, "u"),
  );
  expect(await bench.local.sizeOf(image.moduleDescriptor.digest)).toBeUndefined();
});

it("6. a manifest whose mediaType is not its Content-Type: an error", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.get", fault.headers({ "content-type": MediaType.dockerManifest }));
  expect(await refusal(bench)).toMatch(/^MANIFEST_INVALID: /u);
});

it("6. a tag that moves while it is pulled: the manifest of the GET, whole", async () => {
  const bench = await openBench();
  await bench.publish(image);
  const other = testImage(1000, "moved to");
  const move: Fault = async (exchange) => {
    await bench.publish(other);
    await fault.change(() => ({}))(exchange);
  };
  bench.registry.on("blob.get", move, 1);
  const result = await bench.pull();
  expect(result.manifestDigest).toBe(image.manifestDescriptor.digest);
  expect(bench.has("local", image)).toBe(true);
  expect((await bench.pull()).manifestDigest).toBe(other.manifestDescriptor.digest);
  expect(bench.has("local", other)).toBe(true);
});

it("6. a HEAD that tells of another manifest than the GET: the GET counts", async () => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.head", fault.headers({ "docker-content-digest": image.configDescriptor.digest }));
  expect((await bench.pull()).manifestDigest).toBe(image.manifestDescriptor.digest);
});

it.each([
  ["another port", {}, "basic" as const],
  ["another host", { elsewhereName: "localhost" }, "basic" as const],
  ["another port", {}, "bearer" as const],
  ["another host", { elsewhereName: "localhost" }, "bearer" as const],
])("7. a redirect to %s: no Authorization, no Cookie there (%o, %s)", async (_where, registry, kind) => {
  const bench = await openBench({ auth: { kind, username: "alice", password: "s3cret" }, registry });
  await bench.publish(image);
  bench.registry.on("blob.get", fault.redirectElsewhere(307, { "set-cookie": "session=1; Path=/" }));
  bench.registry.onElsewhere("blob.get", fault.refuseCredentials());
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  const [home, away] = ["registry", "elsewhere"].map((origin) =>
    bench.registry.requests.filter((each) => each.origin === origin && each.kind === "blob.get"),
  );
  expect(home?.map(({ authorization }) => authorization !== undefined)).toEqual([true, true]);
  expect(away).toHaveLength(2);
  expect(away?.flatMap(({ headers }) => [headers.authorization, headers.cookie])).toEqual(Array(4).fill(undefined));
});

it("7. a redirect within the origin keeps the Authorization", async () => {
  const bench = await openBench({ auth: { kind: "basic", username: "alice", password: "s3cret" } });
  await bench.publish(image);
  const target = `/v2/demo/filter/manifests/${image.manifestDescriptor.digest}`;
  bench.registry.on(({ path }) => path.endsWith("/manifests/v1"), fault.status(307, { location: target }), 2);
  await bench.pull();
  expect(bench.registry.requests.findLast(({ path }) => path === target)?.authorization).toMatch(/^Basic /u);
});

it.each([
  ["in a circle", { location: "/v2/demo/filter/manifests/v1" }, "REDIRECT_LOOP"],
  ["to a file", { location: "file:///etc/passwd" }, "REDIRECT_REFUSED"],
  ["to no URL", { location: "http://[" }, "REDIRECT_REFUSED"],
  ["to a metadata service", { location: "http://169.254.169.254/latest/meta-data" }, "REDIRECT_REFUSED"],
  ["to a metadata service in another spelling", { location: "http://0xa9fea9fe/latest" }, "REDIRECT_REFUSED"],
  ["to a metadata service by its IPv6 address", { location: "http://[fd00:ec2::254]/latest" }, "REDIRECT_REFUSED"],
])("8. a redirect %s: refused", async (_where, head, code) => {
  const bench = await openBench();
  await bench.publish(image);
  bench.registry.on("manifest.get", fault.status(302, head));
  expect(await refusal(bench)).toMatch(new RegExp(`^${code}: `, "u"));
  expect(bench.registry.requests.length).toBeLessThanOrEqual(9);
});

it("28. a blob that is here is not asked for, a whole image not at all but its manifest", async () => {
  const bench = await openBench();
  await bench.publish(image);
  await bench.local.push(image.moduleDescriptor, bytesSource(image.module));
  await bench.pull();
  expect(bench.wire()).toEqual(["manifest.get", "blob.get"]);
  bench.registry.reset();
  expect((await bench.pull()).unchanged).toBe(true);
  expect(bench.wire()).toEqual([expect.stringMatching(/^manifest\./u)]);
});

it("28. a blob that is here but damaged is fetched again", async () => {
  const bench = await openBench();
  await bench.publish(image);
  await bench.pull();
  const { chmod, writeFile } = await import("node:fs/promises");
  const path = `${bench.local.dir}/blobs/${image.moduleDescriptor.digest.replace(":", "/")}`;
  await chmod(path, 0o644);
  await writeFile(path, Buffer.alloc(image.module.byteLength));
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
});

/** Another body, no length said. */
function untold(edit: (real: Buffer) => Buffer): Fault {
  return fault.change((answer) => {
    const { "content-length": _length, ...headers } = answer.headers;
    return { headers, body: edit(answer.body) };
  });
}
