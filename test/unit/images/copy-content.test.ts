import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { BodySource, Fetcher, Placement } from "../../../src/domain/content.ts";
import { type Descriptor, describe as describeBytes } from "../../../src/domain/descriptor.ts";
import { copyContent } from "../../../src/images/copy-content.ts";
import { gather } from "../../support/archives.ts";

const blobs = Array.from({ length: 12 }, (_, at) => describeBytes("a/b", Buffer.from(`blob ${at}`)));
const contentOf = (descriptor: Descriptor): string =>
  `blob ${blobs.findIndex(({ digest }) => digest === descriptor.digest)}`;

const source: Fetcher = {
  async *fetch(descriptor, signal) {
    for (const letter of contentOf(descriptor)) {
      await setImmediate();
      signal?.throwIfAborted();
      yield Buffer.from(letter);
    }
  },
};

/** Takes everything, and notes how many transfers there were at once. */
function target(push: (descriptor: Descriptor, body: BodySource, signal?: AbortSignal) => Promise<Placement | void>): {
  readonly push: (descriptor: Descriptor, body: BodySource, signal?: AbortSignal) => Promise<Placement>;
  readonly most: () => number;
  readonly running: () => number;
} {
  let running = 0;
  let most = 0;
  return {
    push: async (descriptor, body, signal) => {
      running += 1;
      most = Math.max(most, running);
      try {
        return (await push(descriptor, body, signal)) ?? "written";
      } finally {
        running -= 1;
      }
    },
    most: () => most,
    running: () => running,
  };
}

describe("copyContent", () => {
  it("copies each digest once, four at a time, and tells what the target had", async () => {
    const got: string[] = [];
    const to = target(async (descriptor, body) => {
      if (descriptor === blobs[3]) return "present";
      got.push((await gather(body.open())).toString());
      return "written";
    });
    const copied = await copyContent(source, to, [...blobs, ...blobs]);
    expect(got.toSorted()).toEqual(
      blobs
        .filter((_, at) => at !== 3)
        .map(contentOf)
        .toSorted(),
    );
    expect(copied.map(({ descriptor }) => descriptor)).toEqual(blobs);
    expect(copied.filter(({ placement }) => placement === "present").map(({ descriptor }) => descriptor)).toEqual([
      blobs[3],
    ]);
    expect(to.most()).toBe(4);
  });

  it("can be read again from any byte, for retries", async () => {
    const to = target(async (descriptor, body) => {
      expect((await gather(body.open())).toString()).toBe(contentOf(descriptor));
      expect((await gather(body.open(3))).toString()).toBe(contentOf(descriptor).slice(3));
      expect((await gather(body.open(body.size))).toString()).toBe("");
    });
    await copyContent(source, to, blobs);
  });

  it("stops at the first failure, throws that, and leaves nothing running", async () => {
    let begun = 0;
    const to = target(async (descriptor, body, signal) => {
      begun += 1;
      if (descriptor === blobs[1]) throw new Error("no room");
      for await (const piece of body.open()) expect(piece.byteLength).toBe(1);
      signal?.throwIfAborted();
    });
    await expect(copyContent(source, to, blobs)).rejects.toThrow("no room");
    expect(to.running()).toBe(0);
    expect(begun).toBe(4);
  });

  it("stops when it is told to, with that reason", async () => {
    const stop = new AbortController();
    const to = target(async (_descriptor, body) => {
      stop.abort(new Error("enough"));
      await gather(body.open());
    });
    await expect(copyContent(source, to, blobs, stop.signal)).rejects.toThrow("enough");
    expect(to.running()).toBe(0);
  });
});
