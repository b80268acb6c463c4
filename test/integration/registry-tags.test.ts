import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { pullTestImage, pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Lists of tags in pages, good and bad, and how few connections it all takes. */
describe("listing tags", () => {
  let registry: FaultRegistry;
  let client: RegistryClient;
  let repository: Repository;
  const image = testImage(1000);

  beforeEach(async () => {
    registry = await startFaultRegistry();
    client = createRegistryClient({ env: {} });
    repository = client.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push");
    for (const tag of ["c", "a", "b"]) await pushTestImage(repository, image, tag);
    registry.reset();
  });
  afterEach(async () => {
    client.close();
    await registry.close();
  });

  /** One page; `link` as the registry would send it. */
  function page(tags: readonly unknown[] | null, link?: string): ReturnType<typeof fault.change> {
    const body = Buffer.from(JSON.stringify({ name: "demo/filter", tags }));
    return fault.change(() => ({ status: 200, headers: link === undefined ? {} : { link }, body }));
  }

  it("gathers all pages", async () => {
    registry.on("tags", page(["a", "b"], '</v2/demo/filter/tags/list?n=2&last=b>; rel="next"'), 1);
    registry.on("tags", page(["c"], '<?n=2&last=c>; rel="next"'), 1);
    registry.on("tags", page(["d", "a"]), 1);
    expect(await repository.tags()).toEqual(["a", "b", "c", "d"]);
    expect(registry.requests.map(({ path }) => path)).toEqual([
      "/v2/demo/filter/tags/list",
      "/v2/demo/filter/tags/list?n=2&last=b",
      "/v2/demo/filter/tags/list?n=2&last=c",
    ]);
  });

  it("finds the next page among other links, however it is written", async () => {
    const to = (last: string): string => `/v2/demo/filter/tags/list?last=${last}`;
    registry.on("tags", page(["a"], `<${to("x")}>; rel="prev", <${to("a")}>; title="a, b"; rel=next`), 1);
    registry.on("tags", page(["b"], `<${to("b")}>; REL="next"`), 1);
    registry.on("tags", page(["c"], `<${registry.url}${to("c")}>; rel="next"`), 1);
    registry.on("tags", page(["d"], `<${to("d")}>; rel="nextish", <${to("d")}>; rel="last"`), 1);
    expect(await repository.tags()).toEqual(["a", "b", "c", "d"]);
    expect(registry.requests.map(({ path }) => new URL(path, registry.url).searchParams.get("last"))).toEqual([
      null,
      "a",
      "b",
      "c",
    ]);
  });

  it("asks for as many at once as the settings of the registry say", async () => {
    const dir = tempDir();
    const configFile = join(dir, "registries.json");
    writeFileSync(configFile, JSON.stringify({ registries: { [registry.host]: { tagPageSize: 2 } } }));
    const own = createRegistryClient({ env: {}, configFile });
    const reference = parseImageReference(`${registry.host}/demo/filter:v1`);
    expect((await own.repository(reference).tags())?.toSorted()).toEqual(["a", "b", "c"]);
    expect(registry.requests[0]?.path).toBe("/v2/demo/filter/tags/list?n=2");
    expect(registry.requests).toHaveLength(2);
    own.close();
  });

  it("reads what a registry of ours says", async () => {
    expect(await repository.tags()).toEqual(["a", "b", "c"]);
  });

  it("leaves out what is no tag", async () => {
    registry.on("tags", page(["a", null, 7, image.manifestDescriptor.digest, "../x", "b"]));
    expect(await repository.tags()).toEqual(["a", "b"]);
  });

  it("takes null for an empty list, and says undefined for no repository", async () => {
    registry.on("tags", page(null), 1);
    expect(await repository.tags()).toEqual([]);
    const other = client.repository(parseImageReference(`${registry.host}/demo/none:v1`));
    expect(await other.tags()).toBeUndefined();
  });

  it.each([
    ["pages on another host", page(["a"], '<http://evil.test/v2/x>; rel="next"')],
    ["pages that lead in a circle", page(["a"], '</v2/demo/filter/tags/list?last=a>; rel="next"')],
    ["pages without end", endlessPages()],
    ["pages too large together", largePages()],
    ["no list", fault.change(() => ({ status: 200, headers: {}, body: Buffer.from('{"tags":"a"}') }))],
    ["no JSON", fault.change(() => ({ status: 200, headers: {}, body: Buffer.from("<html>") }))],
  ])("refuses %s", async (_name, script) => {
    registry.on("tags", script);
    await expect(repository.tags()).rejects.toMatchObject({ code: "LIST_INVALID" });
  });

  function endlessPages(): ReturnType<typeof fault.change> {
    let at = 0;
    return fault.change(() => {
      at += 1;
      const link = `</v2/demo/filter/tags/list?last=${at}>; rel="next"`;
      return { status: 200, headers: { link }, body: Buffer.from(JSON.stringify({ tags: [`t${at}`] })) };
    });
  }

  /** Each as large as a page may be. */
  function largePages(): ReturnType<typeof fault.change> {
    let at = 0;
    return fault.change(() => {
      at += 1;
      const link = `</v2/demo/filter/tags/list?last=${at}>; rel="next"`;
      const body = Buffer.from(JSON.stringify({ tags: [`t${at}`], padding: "x".repeat(4 * 1024 * 1024 - 100) }));
      return { status: 200, headers: { link }, body };
    });
  }

  it("lists repositories, in one page or many", async () => {
    await pushTestImage(client.repository(parseImageReference(`${registry.host}/alone:v1`), "push"), image);
    expect(await client.catalog(registry.host)).toEqual(["alone", "demo/filter"]);
    const first = { status: 200, headers: { link: '</v2/_catalog?n=1&last=alone>; rel="next"' } };
    const body = Buffer.from('{"repositories":["alone",null,"../up","UPPER"]}');
    registry.on(
      "catalog",
      fault.change(() => ({ ...first, body })),
      1,
    );
    expect(await client.catalog(registry.host)).toEqual(["alone", "demo/filter"]);
    expect(registry.requests.at(-1)?.path).toBe("/v2/_catalog?n=1&last=alone");
  });

  it.each([
    ["404", fault.status(404)],
    ["405", fault.status(405)],
    ["its error code", fault.refuse(401, "UNSUPPORTED", "The operation is unsupported.")],
  ])("says undefined where repositories are not listed: %s", async (_name, script) => {
    registry.on("catalog", script);
    expect(await client.catalog(registry.host)).toBeUndefined();
  });

  it("tells a refused catalogue from an absent one", async () => {
    registry.on("catalog", fault.refuse(403, "DENIED", "no"));
    await expect(client.catalog(registry.host)).rejects.toMatchObject({ kind: "unauthorised" });
  });

  it("takes one connection for everything that is done one after the other", async () => {
    const [host = "", port = ""] = registry.host.split(":");
    let connections = 0;
    const relay = createServer((socket) => {
      connections += 1;
      const onward = connect(Number(port), host);
      socket.on("error", () => onward.destroy());
      onward.on("error", () => socket.destroy());
      socket.pipe(onward).pipe(socket);
    });
    relay.listen(0, "127.0.0.1");
    await once(relay, "listening");
    const counted = createRegistryClient({ env: {} });
    const near = `127.0.0.1:${(relay.address() as AddressInfo).port}`;
    const to = counted.repository(parseImageReference(`${near}/demo/filter:v1`), "push");
    await to.resolve("absent");
    await to.resolve("a");
    await to.exists(image.moduleDescriptor);
    await to.fetchManifest("a");
    for await (const chunk of to.fetch(image.moduleDescriptor)) expect(chunk.byteLength).toBeGreaterThan(0);
    await to.tags();
    expect(connections).toBe(1);
    await pullTestImage(to, image, "a");
    counted.close();
    relay.close();
  });
});
