import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { change } from "../support/fault-kinds.ts";
import { pullTestImage, pushTestImage, testImage } from "../support/fault-image.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";

const SECRET = "s3cret-passw0rd";
let registry: FaultRegistry;
let client: RegistryClient;
let events: ProgressEvent[];

beforeAll(async () => {
  registry = await startFaultRegistry({ kind: "bearer", username: "alice", password: SECRET });
});
afterAll(() => registry.close());
beforeEach(() => {
  registry.reset();
  events = [];
  client = createRegistryClient({
    env: {},
    credentials: () => Promise.resolve({ kind: "basic", username: "alice", password: SECRET }),
    events: (event) => events.push(event),
  });
});

const traced = (): readonly string[] => events.flatMap((each) => (each.type === "debug" ? [each.message] : []));

describe("the trace of a conversation", () => {
  it("has a line for every request the registry saw, and counts them", async () => {
    const repository = client.repository(parseImageReference(`${registry.host}/trace/all:v1`), "push");
    await pushTestImage(repository, testImage(100_000));
    await pullTestImage(repository, testImage(100_000));
    expect(client.traffic().requests).toBe(registry.requests.length);
    expect(traced()).toHaveLength(registry.requests.length);
    for (const { method, path } of registry.requests) {
      const address = `${method} http://${registry.host}${path.split("?", 1)[0] ?? ""}`;
      expect(traced().filter((line) => line.startsWith(address)).length, address).toBeGreaterThan(0);
    }
    expect(traced().join("\n")).toMatch(/PUT \S+\?digest=sha256:[0-9a-f]{64} \(with Bearer, 100000 bytes\): 201 \(/u);
  });

  it("shows neither passwords nor tokens nor the state in an upload's address", async () => {
    registry.on(
      "upload.post",
      change(({ headers }) => ({
        headers: { ...headers, location: `${headers["location"] ?? ""}?_state=hush-hush&sig=abc123` },
      })),
    );
    await pushTestImage(
      client.repository(parseImageReference(`${registry.host}/trace/secret:v1`), "push"),
      testImage(10),
    );
    const text = traced().join("\n");
    expect(text).toContain("_state=***&sig=***");
    const sent = registry.requests.flatMap(({ authorization }) => authorization?.split(" ")[1] ?? []);
    expect(sent.length).toBeGreaterThan(3);
    for (const secret of [SECRET, "hush-hush", "abc123", ...sent]) expect(text).not.toContain(secret);
  });

  it("names what became of a request without an answer", async () => {
    registry.on("manifest.head", ({ request }) => void request.socket.destroy(), 1);
    await client.repository(parseImageReference(`${registry.host}/trace/lost:v1`)).resolve("v1");
    expect(traced().filter((line) => /HEAD .*: socket hang up after \d+ ms/u.test(line))).toHaveLength(1);
  });
});
