import { describe, expect, it, onTestFinished, vi } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { ignoreEvents } from "../../../src/domain/events.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import type { DeployRequest } from "../../../src/deploy/request.ts";
import {
  type FilterToVerify,
  type Judge,
  Verifier,
  type VerifierOptions,
} from "../../../src/operator/verify-filter.ts";
import { manualClock } from "../../support/manual-clock.ts";
import { filterModule } from "../../support/wasm-builder.ts";

const MIB = 2 ** 20;
const STUCK = new WasmeError("incompatible", "FILTER_UNFIT", "it will not run", {
  details: { findings: [{ code: "FILTER_STUCK" }] },
});
const UNFIT = new WasmeError("incompatible", "FILTER_UNFIT", "it will not run", { details: { findings: [] } });

function filter(name: string, more: { size?: number; read?: FilterToVerify["readModule"] } = {}): FilterToVerify {
  const image: ResolvedImage = {
    reference: parseImageReference(`example.com/team/${name}:v1`),
    source: "registry",
    format: "oci",
    manifestDigest: digestOf(`manifest ${name}`),
    moduleDigest: digestOf(name),
    moduleSize: more.size ?? 100,
    runtimeConfig: undefined,
  };
  const readModule = more.read ?? ((): Promise<Uint8Array> => Promise.resolve(Buffer.from(name)));
  return { image, request: { config: "{}" } as unknown as DeployRequest, readModule };
}

function verifier(judge: Judge, more: Partial<VerifierOptions> = {}): Verifier {
  return new Verifier({ most: 2, largest: 32 * MIB, version: "1", elapsed: () => 0, judge, ...more });
}

it("refuses a module by its size, without reading it", async () => {
  const read = (): Promise<Uint8Array> => Promise.reject(new Error("it was read"));
  const verdict = await verifier(() => Promise.resolve({ ok: true })).verify(
    filter("large", { size: 33 * MIB, read }),
    ignoreEvents,
  );
  expect(verdict).toMatchObject({ ok: false, error: { code: "MODULE_TOO_LARGE" } });
});

it("runs what hung once more, alone and with more time, and refuses it for some minutes only", async () => {
  const clock = manualClock();
  const limits: (number | undefined)[] = [];
  let good = false;
  const stuck: Judge = (_filter, _module, how) => {
    limits.push(how.limits.hardLimitMs);
    return Promise.resolve(good ? { ok: true } : { ok: false, error: STUCK });
  };
  const all = verifier(stuck, { elapsed: () => clock.elapsed() });
  expect(await all.verify(filter("a"), ignoreEvents)).toMatchObject({ ok: false });
  expect(await all.verify(filter("a"), ignoreEvents)).toMatchObject({ ok: false });
  expect(limits).toEqual([undefined, 3000]);
  good = true;
  await clock.advance(11 * 60_000);
  expect(await all.verify(filter("a"), ignoreEvents)).toEqual({ ok: true });
  expect(limits).toHaveLength(3);
});

it("keeps a refusal that is the filter's own", async () => {
  const clock = manualClock();
  let runs = 0;
  const unfit: Judge = () => {
    runs += 1;
    return Promise.resolve({ ok: false, error: UNFIT });
  };
  const all = verifier(unfit, { elapsed: () => clock.elapsed() });
  await all.verify(filter("a"), ignoreEvents);
  await clock.advance(24 * 3_600_000);
  await all.verify(filter("a"), ignoreEvents);
  expect(runs).toBe(1);
});

it("runs one that hung with nothing beside it", async () => {
  const running = new Set<string>();
  const beside: string[] = [];
  let ends: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => (ends = resolve));
  const tries = new Map<string, number>();
  const judge: Judge = async ({ image }) => {
    const name = image.reference.repository;
    const nth = (tries.get(name) ?? 0) + 1;
    tries.set(name, nth);
    running.add(name);
    if (name.endsWith("slow")) await slow;
    if (name.endsWith("hung") && nth === 2) beside.push(...running);
    running.delete(name);
    return name.endsWith("hung") ? { ok: false, error: STUCK } : { ok: true };
  };
  const all = verifier(judge);
  const both = [all.verify(filter("slow"), ignoreEvents), all.verify(filter("hung"), ignoreEvents)];
  await new Promise((resolve) => setImmediate(resolve));
  expect(tries.get("team/hung")).toBe(1);
  ends();
  await Promise.all(both);
  expect(beside).toEqual(["team/hung"]);
});

it("lets no registry that is slow hold up another filter's trial", async () => {
  const never = (): Promise<Uint8Array> => new Promise(() => undefined);
  const all = verifier(() => Promise.resolve({ ok: true }));
  for (const name of ["a", "b", "c"]) void all.verify(filter(name, { read: never }), ignoreEvents);
  expect(await all.verify(filter("d"), ignoreEvents)).toEqual({ ok: true });
});

it("has a thread started while a module is read, and the next one once it is quiet", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let started = 0;
  const spare = { prepare: () => (started += 1), take: (): never => expect.fail("nothing is run here") };
  let ends: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => (ends = resolve));
  const judge: Judge = async ({ image }) => {
    if (image.reference.repository.endsWith("slow")) await slow;
    return { ok: true };
  };
  const all = verifier(judge, { spare });
  let ahead = 0;
  const read = (): Promise<Uint8Array> => {
    ahead = started;
    return Promise.resolve(Buffer.from("module"));
  };
  const last = all.verify(filter("slow", { read }), ignoreEvents);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ahead).toBe(1);
  await all.verify(filter("a"), ignoreEvents);
  vi.advanceTimersByTime(10_000);
  expect(started).toBe(1);
  ends();
  await last;
  await all.verify(filter("b"), ignoreEvents);
  vi.advanceTimersByTime(199);
  expect(started).toBe(2);
  vi.advanceTimersByTime(1);
  expect(started).toBe(3);
});

it("holds one large module in memory at a time", async () => {
  let held = 0;
  let most = 0;
  const read = (): Promise<Uint8Array> => {
    held += 1;
    most = Math.max(most, held);
    return Promise.resolve(Buffer.from("large"));
  };
  const all = verifier(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    held -= 1;
    return { ok: true };
  });
  const names = ["a", "b", "c"];
  await Promise.all(names.map((name) => all.verify(filter(name, { size: 20 * MIB, read }), ignoreEvents)));
  expect(most).toBe(1);
});

it("runs a module once for each configuration, whatever the image is called", async () => {
  const runs: (string | undefined)[] = [];
  const all = verifier(({ request }) => {
    runs.push(request.config);
    return Promise.resolve({ ok: true });
  });
  const one = filter("a");
  const other = { ...one.image, reference: parseImageReference("example.com/mirror/b:v2") };
  await Promise.all([one, { ...one, image: other }].map((same) => all.verify(same, ignoreEvents)));
  await all.verify({ ...one, request: { ...one.request, config: '{"a":1}' } }, ignoreEvents);
  await all.verify({ ...one, request: { ...one.request, rootId: "mine" } }, ignoreEvents);
  await all.verify({ ...one, image: { ...one.image, moduleDigest: digestOf("b") } }, ignoreEvents);
  expect(runs).toEqual(["{}", '{"a":1}', "{}", "{}"]);
});

describe("a module that is really run", () => {
  // local.get size · i32.eqz: takes no configuration
  const TAKES_NONE = [0x20, 0x01, 0x45];
  // i32.const pages · memory.grow · i32.const -1 · i32.ne: wants 62 MiB more, and 129
  const growing = (...pages: readonly number[]): readonly number[] => [0x41, ...pages, 0x40, 0x00, 0x41, 0x7f, 0x47];
  const [SOME, MUCH] = [growing(0xe8, 0x07), growing(0x90, 0x10)];
  const outcome = async (module: Uint8Array, config?: string): Promise<string> => {
    const real = new Verifier({ most: 1, largest: 32 * MIB, version: "1", elapsed: () => 0 });
    const { image } = filter("real");
    const request = { check: true, config } as unknown as DeployRequest;
    const about = { image: { ...image, moduleDigest: digestOf(module) }, request, readModule: async () => module };
    const verdict = await real.verify(about, ignoreEvents);
    return verdict.ok ? "ok" : verdict.error.message;
  };
  const configured = (body: readonly number[]): Uint8Array =>
    filterModule({ functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body }] });

  it("is asked whether it takes this very configuration", async () => {
    expect(await outcome(configured(TAKES_NONE))).toBe("ok");
    expect(await outcome(configured(TAKES_NONE), '{"a":1}')).toContain("does not accept the plugin configuration");
  });

  it("gets 128 MiB of memory, and no more", async () => {
    expect(await outcome(configured(SOME))).toBe("ok");
    expect(await outcome(configured(MUCH))).toContain("does not accept an empty plugin configuration");
    const large = filterModule({ memory: { pages: 128 * 16 + 1 } });
    expect(await outcome(large)).toContain("declares more than 128 MiB of memory");
  });
});

it("trusts a verdict of its own release alone", async () => {
  const judge: Judge = () => Promise.resolve({ ok: false, error: UNFIT });
  const [old, now] = [verifier(judge), verifier(judge, { version: "2" })];
  now.trust(old.keyOf(filter("a")));
  expect(await now.verify(filter("a"), ignoreEvents)).toMatchObject({ ok: false });
  now.trust(now.keyOf(filter("b")));
  expect(await now.verify(filter("b"), ignoreEvents)).toEqual({ ok: true });
});
