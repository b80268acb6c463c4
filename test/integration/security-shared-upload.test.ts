import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { scriptedTransport } from "../support/scripted-transport.ts";
import { testImage } from "../support/fault-image.ts";

/** One client may push several images with the same blob at once, each with its own signal to give up. */
describe("a blob that two pushes bring at once", () => {
  const image = testImage(10);
  const reference = parseImageReference("registry.example.com/team/filter:v1");
  const refused = new Error("the first one gave up");

  /** Its uploads wait until they are let go on. */
  function slowRegistry(): {
    readonly client: RegistryClient;
    readonly letGo: () => void;
    readonly uploads: () => number;
    /** Kept when the bytes of one are to be sent. */
    readonly sending: Promise<void>;
  } {
    let letGo = (): void => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    let uploads = 0;
    let begin = (): void => undefined;
    const sending = new Promise<void>((resolve) => (begin = resolve));
    const answers = scriptedTransport(({ method }) => {
      if (method === "POST") return { status: 202, headers: { location: "/v2/team/filter/blobs/uploads/1" } };
      if (method === "DELETE") return { status: 204 };
      uploads += 1;
      return { status: 201 };
    });
    const transport = {
      ...answers,
      send: async (request: Parameters<typeof answers.send>[0]) => {
        if (request.method === "PUT") begin();
        if (request.method === "PUT") await Promise.race([gate, aborted(request.signal)]);
        return await answers.send(request);
      },
    };
    const client = createRegistryClient({ env: {}, transport });
    return { client, letGo: () => letGo(), uploads: () => uploads, sending };
  }

  it("arrives for the second when the first gives up, and once when none does", async () => {
    for (const givesUp of [true, false]) {
      const { client, letGo, uploads, sending } = slowRegistry();
      const stop = new AbortController();
      const push = (signal?: AbortSignal): Promise<unknown> =>
        client.repository(reference, "push").push(image.moduleDescriptor, bytesSource(image.module), signal);
      const first = push(stop.signal).then(String, String);
      const second = push(new AbortController().signal).then(String, String);
      const third = push().then(String, String);
      await sending;
      if (givesUp) stop.abort(refused);
      letGo();
      expect(await first).toBe(givesUp ? String(refused) : "written");
      expect([await second, await third]).toEqual(["written", "written"]);
      expect(uploads()).toBe(1);
    }
  });

  it("is not waited for by who gives up, and goes on for the first", async () => {
    const { client, letGo } = slowRegistry();
    const stop = new AbortController();
    const repository = client.repository(reference, "push");
    const first = repository.push(image.moduleDescriptor, bytesSource(image.module));
    const second = repository.push(image.moduleDescriptor, bytesSource(image.module), stop.signal);
    stop.abort(refused);
    await expect(second).rejects.toBe(refused);
    letGo();
    expect(await first).toBe("written");
  });
});

async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
