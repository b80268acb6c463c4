import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource, type Placement } from "../../src/domain/content.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { startRegistry } from "../components/registry.ts";
import { need } from "../components/require-component.ts";
import type { AuthScript } from "../support/fault-auth.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { hurriedTransport } from "../support/hurried-transport.ts";

const { module, moduleDescriptor } = testImage(300_000);
const source = "team/source";

/** A blob another repository of the same registry has is mounted; whatever goes wrong with that, it is uploaded. */
describe("mounting a blob", () => {
  let registry: FaultRegistry;
  const clients: RegistryClient[] = [];
  const events: ProgressEvent[] = [];

  async function start(auth?: AuthScript): Promise<void> {
    registry = await startFaultRegistry(auth);
    await open(source).push(moduleDescriptor, bytesSource(module));
    registry.reset();
    events.length = 0;
  }

  beforeEach(() => start());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await registry.close();
  });

  function open(repository: string, from: readonly string[] = []): Repository {
    const credential = { kind: "basic", username: "alice", password: "secret" } as const;
    const client = createRegistryClient({
      env: {},
      clock: fakeClock(),
      transport: hurriedTransport(({ url }) => (isMount({ path: url.search }) ? { idleTimeoutMs: 300 } : undefined)),
      events: (event) => events.push(event),
      credentials: () => Promise.resolve(credential),
    });
    clients.push(client);
    return client.repository(parseImageReference(`${registry.host}/${repository}:v1`), "push", () => from);
  }

  /** Pushes to another repository; it has the blob in the end. */
  async function push(from: readonly string[] = [source]): Promise<Placement> {
    const to = open("team/target", from);
    const placement = await to.push(moduleDescriptor, bytesSource(module));
    registry.reset();
    expect(await to.exists(moduleDescriptor)).toBe(true);
    expect(await registry.openUploads()).toEqual([]);
    return placement;
  }

  function kinds(): readonly string[] {
    return registry.requests.map(({ kind }) => kind).filter((kind) => kind !== "token");
  }

  const isMount = ({ path }: { readonly path: string }): boolean => path.includes("mount=");

  it("takes one request beside the question whether it is there", async () => {
    const to = open("team/target", [source]);
    expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("mounted");
    expect(kinds()).toEqual(["blob.head", "upload.post"]);
    expect(registry.requests[1]?.path).toBe(
      `/v2/team/target/blobs/uploads/?mount=${moduleDescriptor.digest}&from=team%2Fsource`,
    );
    const { digest } = moduleDescriptor;
    expect(events).toContainEqual({ type: "blob.skipped", digest, reason: "mounted from team/source" });
  });

  it("uploads where the 202 says, without another POST", async () => {
    const to = open("team/target", ["team/has-it-not"]);
    expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("written");
    expect(kinds()).toEqual(["blob.head", "upload.post", "upload.put"]);
    expect(events.filter(({ type }) => type === "blob.skipped")).toEqual([]);
  });

  it("asks for no mount from the repository itself, nor from none", async () => {
    const to = open("team/target", ["team/target"]);
    expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("written");
    expect(registry.requests.some(isMount)).toBe(false);
  });

  it.each([400, 401, 403, 404, 405, 500, 503])("uploads when the mount is answered %i", async (status) => {
    registry.on(isMount, fault.status(status));
    expect(await push()).toBe("written");
  });

  it.each([
    ["reset", fault.resetUpload(0)],
    ["never answered", fault.silence()],
  ])("uploads when the request for the mount is %s", async (_name, broken) => {
    registry.on(isMount, broken);
    expect(await push()).toBe("written");
  });

  describe("with tokens", () => {
    const auth: AuthScript = { kind: "bearer", username: "alice", password: "secret" };

    beforeEach(async () => {
      await registry.close();
      await start(auth);
    });

    it("asks for a token that may read the source", async () => {
      const to = open("team/target", [source]);
      expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("mounted");
      const asked = registry.requests.filter(({ kind }) => kind === "token").map(({ path }) => scopes(path));
      expect(asked.at(-1)).toEqual(["repository:team/source:pull", "repository:team/target:pull,push"]);
    });

    it.each([401, 403, 400])("uploads when the token server answers %i to the scope of the source", async (status) => {
      registry.on(({ kind, path }) => kind === "token" && path.includes("source"), fault.status(status));
      expect(await push()).toBe("written");
    });

    it("uploads when the registry finds the token to lack the source", async () => {
      const lacking = `Bearer realm="${registry.url}/token",service="test",scope="repository:team/source:pull"`;
      registry.on(isMount, fault.status(401, { "www-authenticate": `${lacking},error="insufficient_scope"` }));
      expect(await push()).toBe("written");
    });
  });
});

/** Debian's registry mounts, and asks for the right to read the source. */
describe("mounting a blob in a real registry", () => {
  it.for([{}, { auth: "htpasswd" }, { auth: "token" }] as const)("mounts: %j", async (options, context) => {
    const registry = await need(context, "registry", () => startRegistry(options));
    const { host, user } = registry;
    const credentials = () => Promise.resolve(user && ({ kind: "basic", ...user } as const));
    const client = createRegistryClient({ env: {}, credentials });
    try {
      const from = client.repository(parseImageReference(`${host}/${source}:v1`), "push");
      await from.push(moduleDescriptor, bytesSource(module));
      const reference = parseImageReference(`${host}/team/target:v1`);
      // The question and the mount; with tokens one for each of them.
      const before = client.traffic().requests;
      const to = client.repository(reference, "push", () => [source]);
      expect(await to.push(moduleDescriptor, bytesSource(module))).toBe("mounted");
      expect(client.traffic().requests - before).toBe("auth" in options && options.auth === "token" ? 4 : 2);
      expect(await to.exists(moduleDescriptor)).toBe(true);
    } finally {
      client.close();
      await registry.stop();
    }
  });
});

function scopes(path: string): readonly string[] {
  return new URL(path, "http://registry").searchParams.getAll("scope");
}
