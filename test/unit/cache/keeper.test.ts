import { describe, expect, it, onTestFinished } from "vitest";
import type { CachedImage } from "../../../src/cache/cached-image.ts";
import { Keeper, type KeeperDeps } from "../../../src/cache/keeper.ts";
import { entriesOfText, type ListEntry } from "../../../src/cache/list-entry.ts";
import { ReportBook } from "../../../src/cache/report-book.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { silentLog } from "../../../src/platform/json-log.ts";

const [manifest, module] = [digestOf("manifest"), digestOf("module")];
const image: CachedImage = {
  top: manifest,
  manifest: { mediaType: "x", digest: manifest, size: 1 },
  layer: module,
  module,
  bytes: 6,
  blobs: [],
  isPrivate: false,
};

/** A keeper of one entry, over a source that does what the test says; time passes only when the test says so. */
function bench(text: string, given: Partial<KeeperDeps["source"]>) {
  const [entry] = entriesOfText(text);
  if (entry === undefined) throw new Error("no entry");
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const book = new ReportBook(
    () => 0,
    () => undefined,
  );
  const time = { now: 0 };
  const tries: number[] = [];
  const source: KeeperDeps["source"] = {
    known: () => undefined,
    bring: () => Promise.resolve({ image, isNew: false }),
    holds: () => Promise.resolve(true),
    complete: () => Promise.resolve(true),
    ...given,
  };
  const keeper = new Keeper({
    clock: {
      now: () => time.now,
      elapsed: () => time.now,
      sleep: (_ms, signal) =>
        new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("woken")))),
    },
    log: silentLog,
    book,
    source: {
      ...source,
      bring: async (asked: ListEntry, signal: AbortSignal) => {
        tries.push(time.now);
        return await source.bring(asked, signal);
      },
    },
    tagIntervalMs: 60_000,
    signal: stop.signal,
  });
  keeper.setEntries([entry]);
  return { keeper, book, entry, time, tries, stateOf: () => book.of(entry.id)?.state };
}

/** Everything that can go on without time has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the keeper of a list", () => {
  it("says at once that a module is not here any more, and fetches it again", async () => {
    const { keeper, stateOf, tries } = bench("x/y:v1", {});
    await settled();
    expect([stateOf(), tries.length]).toEqual(["ready", 1]);
    keeper.lost(digestOf("another"));
    expect(stateOf()).toBe("ready");
    keeper.lost(module);
    expect(stateOf()).toBe("pulling");
    await settled();
    expect([stateOf(), tries.length]).toEqual(["ready", 2]);
  });

  it("writes nothing of an entry that was taken off the list while it was judged", async () => {
    let answer: (held: boolean) => void = () => undefined;
    const { keeper, book } = bench("x/y:v1", {
      known: () => image,
      bring: () => Promise.reject(new Error("gone")),
      holds: () => new Promise((resolve) => (answer = resolve)),
    });
    await settled();
    keeper.setEntries([]);
    answer(true);
    await settled();
    expect(book.lines()).toEqual([]);
  });

  it("asks a registry the less often the longer it fails, whoever asks for its modules", async () => {
    const { keeper, time, tries } = bench("x/y:v1", { bring: () => Promise.reject(new Error("broken")) });
    for (; time.now < 60_000; time.now += 500) {
      keeper.asked(module);
      await settled();
    }
    expect(tries.slice(0, 6)).toEqual([0, 3000, 9000, 21_000, 36_000, 51_000]);
  });

  it("asks a registry that comes back when a proxy asks, however long it was away", async () => {
    let isBack = false;
    const { keeper, time, stateOf } = bench("x/y:v1", {
      bring: () => (isBack ? Promise.resolve({ image, isNew: true }) : Promise.reject(new Error("away"))),
    });
    await settled();
    time.now = 6 * 60_000;
    keeper.asked(module);
    await settled();
    expect(stateOf()).toBe("failed");
    isBack = true;
    time.now += 20_000;
    keeper.asked(module);
    await settled();
    expect(stateOf()).toBe("ready");
  });

  it.each([
    ["said it is asked too much", new WasmeError("unreachable", "REGISTRY_BUSY", "busy"), [0]],
    // One try more: a pull secret may come a moment after its image.
    ["said no", new WasmeError("not-found", "IMAGE_NOT_FOUND", "no such image"), [0, 3000]],
  ])("does not ask a registry that %s, whoever asks for its modules", async (_what, error, expected) => {
    const { keeper, time, tries } = bench("x/y:v1", { bring: () => Promise.reject(error) });
    for (; time.now < 60_000; time.now += 500) {
      keeper.asked(module);
      await settled();
    }
    expect(tries).toEqual(expected);
  });

  it("is ready without what is missing beside a module, and fetches that later", async () => {
    const wholes: boolean[] = [];
    const { stateOf, keeper } = bench(`x/y@${manifest}`, {
      complete: () => {
        wholes.push(wholes.length > 0);
        return Promise.resolve(wholes.at(-1) === true);
      },
    });
    await settled();
    expect([stateOf(), wholes]).toEqual(["ready", [false]]);
    keeper.wake({ module });
    await settled();
    expect([stateOf(), wholes]).toEqual(["ready", [false, true]]);
  });
});
