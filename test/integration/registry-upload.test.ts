import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BodySource, bytesSource } from "../../src/domain/content.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { type FakeClock, fakeClock } from "../support/fault-clock.ts";
import { send } from "../support/fault-exchange.ts";
import { testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A blob of 1 MB goes in pieces: whatever happens on the way, all of it arrives once and in order, or an error says why. */
describe("uploading in pieces", () => {
  let registry: FaultRegistry;
  let clock: FakeClock;
  const clients: RegistryClient[] = [];
  const events: ProgressEvent[] = [];
  const { module, moduleDescriptor } = testImage(1_000_000);
  const KIB = 1024;

  beforeEach(async () => {
    registry = await startFaultRegistry();
    clock = fakeClock();
    events.length = 0;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await registry.close();
  });

  function repository(options: Partial<RegistryClientOptions> = {}): Repository {
    const client = createRegistryClient({
      env: {},
      clock,
      idleTimeoutMs: 60_000,
      events: (event) => events.push(event),
      ...options,
    });
    clients.push(client);
    return client.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push");
  }

  const inPieces = { chunkSize: 300 * KIB };

  async function push(to: Repository, body: BodySource = bytesSource(module)): Promise<void> {
    await to.push(moduleDescriptor, body);
    expect(await registry.store.sizeOf(moduleDescriptor.digest)).toBe(module.byteLength);
    expect(await registry.openUploads()).toEqual([]);
  }

  /** `0-307199` of each piece that was sent. */
  function pieces(): readonly (string | undefined)[] {
    return registry.requests
      .filter(({ kind }) => kind === "upload.patch")
      .map(({ headers }) => headers["content-range"]);
  }

  function kinds(): readonly string[] {
    return registry.requests.map(({ kind }) => kind);
  }

  async function configFile(settings: Record<string, unknown>): Promise<string> {
    const file = join(tempDir(), "registries.json");
    await writeFile(file, JSON.stringify({ registries: { [registry.host]: settings } }));
    return file;
  }

  it("sends each piece once, in order, and ends with an empty PUT", async () => {
    await push(repository(inPieces));
    expect(pieces()).toEqual(["0-307199", "307200-614399", "614400-921599", "921600-999999"]);
    expect(kinds()).toEqual(["blob.head", "upload.post", ...Array(4).fill("upload.patch"), "upload.put"]);
    expect(registry.requests.at(-1)?.received).toBe(0);
    expect(events.findLast(({ type }) => type === "blob.progress")).toMatchObject({ done: 1_000_000 });
  });

  it("opens the body once for all pieces", async () => {
    let opened = 0;
    const body: BodySource = {
      size: module.byteLength,
      open: (start) => {
        opened += 1;
        return bytesSource(module).open(start);
      },
    };
    await push(repository(inPieces), body);
    expect(opened).toBe(1);
  });

  it("sends a blob that fits into one piece as a whole", async () => {
    await push(repository({ chunkSize: 1_000_000 }));
    expect(kinds()).toEqual(["blob.head", "upload.post", "upload.put"]);
  });

  it("goes in pieces where registries.json says so", async () => {
    await push(repository({ configFile: await configFile({ upload: "chunked", chunkSize: "500KB" }) }));
    expect(pieces()).toEqual(["0-499999", "500000-999999"]);
  });

  it("always goes to the newest Location", async () => {
    let moves = 0;
    const moving = fault.change((answer) => ({
      headers: { ...answer.headers, location: `${answer.headers["location"] ?? ""}?move=${++moves}` },
    }));
    registry.on(["upload.post", "upload.patch"], moving);
    await push(repository(inPieces));
    const moved = registry.requests.flatMap(({ path }) => /move=(\d)/u.exec(path)?.[1] ?? []);
    expect(moved).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("sends pieces to another origin without credentials, and comes back with them", async () => {
    await registry.close();
    registry = await startFaultRegistry({ kind: "basic", username: "alice", password: "secret" });
    registry.on(
      ({ kind, authorization }) => kind === "upload.post" && authorization !== undefined,
      fault.locationElsewhere(),
    );
    const credentials = () => Promise.resolve({ kind: "basic", username: "alice", password: "secret" } as const);
    const to = repository({ ...inPieces, credentials });
    await to.push(moduleDescriptor, bytesSource(module));
    const away = registry.requests.filter(({ origin }) => origin === "elsewhere");
    expect(away.map(({ kind }) => kind)).toEqual([...Array(4).fill("upload.patch"), "upload.put"]);
    expect(away.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    expect(await to.exists(moduleDescriptor)).toBe(true);
  });

  it.each([201, 204])("takes %i for 202", async (status) => {
    const taken = fault.change(() => ({ status }));
    registry.on("upload.patch", taken);
    await push(repository(inPieces));
    expect(pieces()).toHaveLength(4);
  });

  it("makes pieces as large as the registry wants them at least", async () => {
    registry.on("upload.post", fault.headers({ "oci-chunk-min-length": "600000" }));
    await push(repository(inPieces));
    expect(pieces()).toEqual(["0-599999", "600000-999999"]);
  });

  it("goes on behind what arrived when a piece was cut short", async () => {
    registry.on("upload.patch", fault.takeBeginning(100_000), 1);
    await push(repository(inPieces));
    expect(pieces().slice(0, 3)).toEqual(["0-307199", "100000-199999", "200000-299999"]);
    expect(clock.waits).toEqual([]);
  });

  it("gives up on a registry that takes next to nothing of each piece", async () => {
    registry.on("upload.patch", fault.takeBeginning(0));
    await expect(push(repository(inPieces))).rejects.toMatchObject({
      code: "UPLOAD_REFUSED",
      message: expect.stringContaining("took 0 bytes of a piece of 307200"),
    });
    expect(registry.count("upload.patch")).toBe(5);
    expect(registry.count("upload.delete")).toBe(1);
  });

  it("refuses a registry that claims to have more than it was sent", async () => {
    registry.on("upload.patch", fault.headers({ range: "0-999999" }));
    await expect(push(repository(inPieces))).rejects.toMatchObject({
      code: "UPLOAD_REFUSED",
      message: `${registry.host} claims to have 1000000 bytes of an upload of which it was sent 307200`,
    });
    expect(registry.count("upload.delete")).toBe(1);
  });

  it("asks a registry that does not say how much has arrived", async () => {
    registry.on("upload.patch", fault.headers({ range: "" }));
    await push(repository(inPieces));
    expect(registry.count("upload.get")).toBe(4);
  });

  it("asks one that says how long the piece was", async () => {
    registry.on(
      "upload.patch",
      fault.change((answer, { request }) => ({
        headers: { ...answer.headers, range: `0-${Number(request.headers["content-length"]) - 1}` },
      })),
    );
    await push(repository(inPieces));
    expect(registry.count("upload.get")).toBe(3);
    expect(clock.waits).toEqual([]);
  });

  it("trusts one that cannot say it at all, and asks it once", async () => {
    registry.on("upload.patch", fault.headers({ range: "" }));
    registry.on("upload.get", fault.status(405));
    await push(repository(inPieces));
    expect(registry.count("upload.get")).toBe(1);
  });

  it("does not listen to a Range that registries.json calls wrong", async () => {
    registry.on("upload.patch", fault.headers({ range: "0-307199" }));
    await push(repository({ ...inPieces, configFile: await configFile({ trustRange: false }) }));
    expect(registry.count("upload.get")).toBe(0);
  });

  it("asks where to go on after a 416", async () => {
    registry.on(
      second,
      async (exchange) => {
        await exchange.answer();
        send(exchange.response, { status: 416, headers: {}, body: Buffer.alloc(0) });
      },
      1,
    );
    await push(repository(inPieces));
    expect(pieces()).toEqual(["0-307199", "307200-614399", "614400-921599", "921600-999999"]);
    expect(registry.count("upload.get")).toBe(1);
  });

  it("halves pieces that are answered 416 where the registry is", async () => {
    registry.on(largerThan(200 * KIB), fault.status(416));
    await push(repository(inPieces));
    expect(pieces()[1]).toBe("0-153599");
  });

  it("sends a piece again that cannot be smaller, and says so when it stays refused", async () => {
    registry.on(second, fault.status(416), 2);
    await push(repository({ chunkSize: 100 * KIB }));
    registry.reset();
    registry.on("upload.patch", fault.status(416));
    const other = testImage(200_000, "other");
    const pushing = repository({ chunkSize: 100 * KIB }).push(other.moduleDescriptor, bytesSource(other.module));
    await expect(pushing).rejects.toMatchObject({ code: "REGISTRY_REFUSED", details: { status: 416 } });
    expect(registry.count("upload.patch")).toBe(5);
  });

  it.each([
    ["the answer is lost", fault.loseAnswer(), 1],
    ["it is reset after 100 kB", fault.resetUpload(100_000), 1],
    ["it is answered 503", fault.status(503), 1],
    ["it is answered 500 twice", fault.status(500), 2],
  ] as const)("goes on with the second piece when %s", async (_name, broken, times) => {
    registry.on(second, broken, times);
    await push(repository(inPieces));
    expect(registry.count("upload.post")).toBe(1);
    expect(pieces()[0]).toBe("0-307199");
  });

  it("gives each piece that arrives new tries", async () => {
    let piece = 0;
    registry.on("upload.patch", async (exchange) => {
      if (piece++ % 4 === 3) send(exchange.response, await exchange.answer());
      else await fault.status(503)(exchange);
    });
    await push(repository(inPieces));
    expect(clock.waits).toHaveLength(12);
  });

  it("starts anew when the place is gone", async () => {
    registry.on(second, fault.refuse(404, "BLOB_UPLOAD_UNKNOWN", "gone"), 1);
    await push(repository(inPieces));
    expect(registry.count("upload.post")).toBe(2);
  });

  it("starts anew when the place is gone after a lost answer", async () => {
    registry.on(second, fault.loseAnswer(), 1);
    registry.on("upload.get", fault.refuse(404, "BLOB_UPLOAD_INVALID", "an old state"), 1);
    await push(repository(inPieces));
    expect(registry.count("upload.post")).toBe(2);
  });

  it("looks whether the blob is there when the last answer was lost", async () => {
    registry.on("upload.put", fault.loseAnswer(), 1);
    await push(repository(inPieces));
    expect(registry.count("upload.post")).toBe(1);
    expect(registry.count("blob.head")).toBe(2);
  });

  it.each([400, 404, 405])(
    "sends in one to a registry that answers %i to a piece, and remembers it",
    async (status) => {
      registry.on("upload.patch", fault.status(status));
      const to = repository(inPieces);
      await push(to);
      const other = testImage(900_000, "other");
      await to.push(other.moduleDescriptor, bytesSource(other.module));
      expect(registry.count("upload.patch")).toBe(1);
      expect(registry.count("upload.put")).toBe(2);
      expect(events).toContainEqual({
        type: "debug",
        message: `${registry.host} takes no uploads in pieces (${status}): sending in one`,
      });
    },
  );

  it("ends the place and says why when a piece is denied", async () => {
    registry.on(second, fault.refuse(403, "DENIED", "quota"));
    await expect(push(repository(inPieces))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(await registry.openUploads()).toEqual([]);
  });

  it("ends the place when it is aborted amid the pieces", async () => {
    const stop = new AbortController();
    registry.on(second, () => stop.abort(new Error("Ctrl-C")));
    const pushing = repository(inPieces).push(moduleDescriptor, bytesSource(module), stop.signal);
    await expect(pushing).rejects.toThrow("Ctrl-C");
    expect(registry.count("upload.delete")).toBe(1);
    expect(await registry.openUploads()).toEqual([]);
  });

  it("says farewell once more when the connection broke under it, and no more than that", async () => {
    registry.on(second, fault.refuse(403, "DENIED", "quota"));
    registry.on("upload.delete", fault.resetUpload(0), 1);
    await expect(push(repository(inPieces))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.count("upload.delete")).toBe(2);
    expect(await registry.openUploads()).toEqual([]);

    registry.reset();
    registry.on("upload.patch", fault.refuse(403, "DENIED", "quota"));
    registry.on("upload.delete", fault.resetUpload(0));
    await expect(push(repository(inPieces))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.count("upload.delete")).toBe(2);
    expect(clock.waits).toEqual([]);
  });

  it("takes a farewell whose answer was lost, and one that is refused, as they are", async () => {
    registry.on("upload.patch", fault.refuse(403, "DENIED", "quota"));
    registry.on("upload.delete", fault.loseAnswer(), 1);
    await expect(push(repository(inPieces))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(await registry.openUploads()).toEqual([]);

    registry.reset();
    registry.on("upload.patch", fault.refuse(403, "DENIED", "quota"));
    registry.on("upload.delete", fault.refuse(405, "UNSUPPORTED", "no farewells"));
    await expect(push(repository(inPieces))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.count("upload.delete")).toBe(1);
  });

  it("passes an error at the end of the source on, and uploads nothing", async () => {
    const damaged: BodySource = {
      size: module.byteLength,
      async *open(start = 0) {
        yield* bytesSource(module).open(start);
        throw new Error("the digest does not match");
      },
    };
    await expect(push(repository(inPieces), damaged)).rejects.toThrow("the digest does not match");
    expect(await registry.store.sizeOf(moduleDescriptor.digest)).toBeUndefined();
  });

  describe("after a PUT that was too large", () => {
    it("halves until the pieces go through, and remembers it", async () => {
      registry.on(largerThan(150 * KIB), fault.status(413));
      const to = repository();
      await push(to);
      expect(pieces().slice(0, 3)).toEqual(["0-499999", "0-249999", "0-124999"]);
      const other = testImage(300_000, "other");
      await to.push(other.moduleDescriptor, bytesSource(other.module));
      expect(pieces().slice(-3)).toEqual(["0-124999", "125000-249999", "250000-299999"]);
    });

    it("says that pieces are too large as well", async () => {
      registry.on(["upload.put", "upload.patch"], fault.status(413));
      await expect(push(repository())).rejects.toMatchObject({
        code: "UPLOAD_REFUSED",
        message: `${registry.host} finds a piece of 125000 bytes too large`,
        hint: expect.stringContaining("client_max_body_size"),
      });
      expect(await registry.openUploads()).toEqual([]);
    });

    it("says that it was too large when there are no pieces", async () => {
      registry.on("upload.put", fault.status(413));
      registry.on("upload.patch", fault.status(405));
      await expect(push(repository())).rejects.toMatchObject({
        code: "REGISTRY_REFUSED",
        message: expect.stringContaining("413 too large"),
      });
    });

    it("never goes in pieces where that is said to be no use", async () => {
      registry.on("upload.put", fault.status(413));
      const configured = repository({ configFile: await configFile({ upload: "single" }) });
      await expect(push(configured)).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
      expect(registry.count("upload.patch")).toBe(0);
    });
  });

  describe("as a whole", () => {
    it("goes on with the rest when a PUT broke off", async () => {
      registry.on("upload.put", breakOff(400_000), 1);
      await push(repository());
      expect(pieces()).toEqual(["400000-999999"]);
      expect(registry.count("upload.post")).toBe(1);
    });

    it("starts anew when what was left behind is not what was said", async () => {
      registry.on("upload.put", breakOff(400_000), 1);
      registry.on("upload.get", fault.headers({ range: "0-0" }), 1);
      await push(repository());
      expect(registry.count("upload.post")).toBe(2);
    });

    it("starts anew when the old place is still held by what broke off", async () => {
      registry.on("upload.put", breakOff(400_000), 1);
      registry.on("upload.put", fault.status(409), 1);
      await push(repository());
      expect(registry.count("upload.post")).toBe(2);
    });

    it("ends the old place when it does not tell how much it has", async () => {
      registry.on("upload.put", breakOff(400_000), 1);
      registry.on("upload.get", fault.status(405));
      await push(repository());
      expect(kinds().slice(-4)).toEqual(["upload.get", "upload.delete", "upload.post", "upload.put"]);
    });

    it("goes in pieces after the second break where nothing is kept, so that some of it lasts", async () => {
      registry.on("upload.get", fault.status(404));
      registry.on("upload.put", fault.resetUpload(300_000), 2);
      await push(repository({ configFile: await configFile({ chunkSize: "512KiB" }) }));
      expect(pieces()).toEqual(["0-524287", "524288-999999"]);
    });
  });

  /** The second piece, whenever it is sent. */
  function second({ kind, headers }: FaultRegistry["requests"][number]): boolean {
    return kind === "upload.patch" && /^(?:307200|102400)-/u.test(headers["content-range"] ?? "");
  }

  function largerThan(size: number): (request: FaultRegistry["requests"][number]) => boolean {
    return ({ kind, headers }) => /^upload\.p(?:atch|ut)$/u.test(kind) && Number(headers["content-length"]) > size;
  }
});

/** Keeps the beginning of a PUT as if it had been a piece, and resets the connection. */
function breakOff(bytes: number): Parameters<FaultRegistry["on"]>[1] {
  return async (exchange) => {
    exchange.request.method = "PATCH";
    await exchange.answer({ bodyLimit: bytes });
    exchange.request.socket.resetAndDestroy();
  };
}
