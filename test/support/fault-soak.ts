import { join } from "node:path";
import { WasmeError } from "../../src/domain/errors.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import type { AuthScript } from "./fault-auth.ts";
import { fakeClock } from "./fault-clock.ts";
import { storeTestImage, type TestImage, testImage } from "./fault-image.ts";
import { type FaultRegistry, startFaultRegistry } from "./fault-registry.ts";
import { digestOfName, hasImage, wrongFiles } from "./fault-run.ts";
import { applyScript, randomScript, tellScript } from "./fault-script.ts";
import { type Random, seededRandom } from "./random.ts";

/** Stores and registries that many runs use one after the other. */
export interface SoakLane {
  readonly store: ImageStore;
  readonly registries: readonly FaultRegistry[];
  close(): Promise<void>;
}

/** What became of a run. */
export interface SoakResult {
  /** `push ok`, `pull BLOB_DAMAGED`, `push aborted`. */
  readonly end: string;
  /** What must not be; empty when all is well. */
  readonly broken: readonly string[];
  /** Everything needed to understand it. */
  readonly story: string;
}

const USER = { username: "alice", password: "s3:cret-of-alice" };
const ACCESS: readonly (AuthScript | undefined)[] = [
  undefined,
  { kind: "basic", ...USER },
  { kind: "bearer", ...USER },
  { kind: "bearer", ...USER, uses: 4 },
];

/** Starts a registry for every way of authentication, and a store in `dir`. */
export async function startLane(dir: string): Promise<SoakLane> {
  const registries = await Promise.all(ACCESS.map((auth) => startFaultRegistry(auth)));
  return {
    store: openStore(join(dir, "images")),
    registries,
    close: async () => {
      await Promise.all(registries.map((registry) => registry.close()));
    },
  };
}

/** What is wrong on the disks of a lane: no content may differ from its name, nothing may be left half-written. */
export function auditLane(lane: SoakLane): readonly string[] {
  // A registry may still be at work on what nobody waits for any more; uploads that were never finished wait there.
  const kept = lane.registries.flatMap(({ store }) => wrongFiles(store.dir).filter((each) => !UNDER_WAY.test(each)));
  return [...wrongFiles(lane.store.dir), ...kept];
}

/** Removes what no name reaches. */
export async function tidyLane(lane: SoakLane): Promise<void> {
  for (const { store } of [...lane.registries, lane]) await store.prune({ graceMs: -60_000 });
}

interface Run {
  readonly random: Random;
  readonly lane: SoakLane;
  readonly registry: FaultRegistry;
  readonly way: "push" | "pull";
  readonly image: TestImage;
  /** In the local store, and for `pushImage` and `pullImage`. */
  readonly reference: string;
  /** In the registry's own store. */
  readonly remoteName: string;
  /** The user gives up after so many milliseconds. */
  readonly abortAfterMs: number | undefined;
  /** Uploads go in pieces of so many bytes. */
  readonly chunkSize: number | undefined;
}

/** One push or pull with random faults, judged by what is on both disks afterwards. */
export async function soakRun(lane: SoakLane, seed: number): Promise<SoakResult> {
  const random = seededRandom(seed);
  const registry = random.pick(lane.registries);
  const way = random.pick(["push", "pull"] as const);
  const size = Math.floor(1000 * 600 ** random.next());
  const image = testImage(size, `soak ${random.chance(0.2) ? seed % 7 : seed}`);
  const tag = `v${random.int(1, 5)}`;
  const run: Run = {
    random,
    lane,
    registry,
    way,
    image,
    reference: `${registry.host}/demo/filter:${tag}`,
    remoteName: `registry/demo/filter:${tag}`,
    abortAfterMs: random.chance(0.06) ? random.int(0, 60) : undefined,
    chunkSize: random.chance(0.3) ? random.int(65_536, 200_000) : undefined,
  };
  await prepare(run);
  registry.reset();
  const script = randomScript(random, way, image.module.byteLength);
  applyScript(registry, script);
  const before = namesOf(run);
  const { end, broken, told } = await attempt(run, before);
  const access = ACCESS[lane.registries.indexOf(registry)];
  const story = [
    `seed ${seed}: ${way} of ${size} bytes as ${tag}, ${access?.kind ?? "anonymous"} → ${end}`,
    tellScript(script),
    told,
  ].join("\n");
  return { end: `${way} ${end}`, broken, story };
}

/** Puts the image where it comes from; its name may lead to another image where it goes to. */
async function prepare({ way, lane, registry, image, reference, remoteName }: Run): Promise<void> {
  if (way === "push") await storeTestImage(lane.store, image, reference);
  else await storeTestImage(registry.store, image, remoteName);
}

interface Names {
  readonly local: string | undefined;
  readonly remote: string | undefined;
}

/** What the run's name leads to on both sides, read from the disk. */
function namesOf({ lane, registry, reference, remoteName }: Run): Names {
  return {
    local: digestOfName(lane.store.dir, reference),
    remote: digestOfName(registry.store.dir, remoteName),
  };
}

async function attempt(
  run: Run,
  before: Names,
): Promise<{ readonly end: string; readonly broken: readonly string[]; readonly told: string }> {
  const { registry, way, lane, reference } = run;
  const events: string[] = [];
  const note = (event: ProgressEvent): void => {
    if (event.type !== "blob.progress") events.push(JSON.stringify(event));
  };
  const credential: Credential = { kind: "basic", ...USER };
  const client = createRegistryClient({
    env: {},
    clock: fakeClock(),
    idleTimeoutMs: 150,
    retryBudgetMs: 15_000,
    ...(run.chunkSize === undefined ? {} : { chunkSize: run.chunkSize }),
    credentials: () => Promise.resolve(credential),
    events: (event) => note(event),
  });
  const stop = new AbortController();
  const timer = run.abortAfterMs === undefined ? undefined : setTimeout(() => stop.abort(GAVE_UP), run.abortAfterMs);
  const deps = { store: lane.store, registry: client, signal: stop.signal };
  const request = { reference: parseImageReference(reference) };
  try {
    const work = way === "push" ? pushImage(deps, request, note) : pullImage(deps, request, note);
    const result: unknown = await work.catch((error: unknown) =>
      error instanceof Error ? error : new Error("no error"),
    );
    const told = tell(result, events);
    const open = result instanceof Error ? await registry.openUploads() : [];
    // The trace tells which answers arrived: of a place it was never told of, nobody can take leave.
    const left = open.filter((path) => told.includes(path)).map((path) => `left open: ${path}`);
    const broken = [...judge(run, result, before), ...left, ...secretsIn(registry, told)];
    return { end: endOf(result), broken, told };
  } finally {
    clearTimeout(timer);
    client.close();
  }
}

function judge(run: Run, result: unknown, before: Names): readonly string[] {
  const { registry, way, image, lane, reference, remoteName } = run;
  const after = namesOf(run);
  const target =
    way === "push" ? { dir: registry.store.dir, name: remoteName } : { dir: lane.store.dir, name: reference };
  const arrived = hasImage(target.dir, target.name, image);
  const failed = result instanceof Error;
  const leaks = registry.requests.filter((each) => each.origin === "elsewhere" && each.authorization !== undefined);
  const moved = way === "push" ? after.remote !== before.remote && !arrived : after.local !== before.local;
  const source = way === "push" ? after.local === before.local : after.remote === before.remote;
  return [
    ...(!failed && !arrived ? ["reported as done, but it is not there"] : []),
    ...(failed && moved ? [`failed, but the name leads to ${after.local ?? "nothing"} now`] : []),
    ...(source ? [] : ["the source changed"]),
    ...(failed ? wrongError(result) : []),
    ...leaks.map(({ path }) => `credentials leaked to ${path}`),
  ];
}

/** Every failure is an error of ours with a code and advice, or the very reason the user gave. */
function wrongError(error: Error): readonly string[] {
  if (error === GAVE_UP) return [];
  if (!(error instanceof WasmeError)) return [`not an error of ours: ${error.stack ?? error.message}`];
  // What a registry refuses, it explains in its own words, if at all.
  const said = error.hint !== undefined || error.code === "REGISTRY_REFUSED";
  return /^[A-Z][A-Z_]+$/u.test(error.code) && said ? [] : [`no advice in ${error.code}: ${error.message}`];
}

function endOf(result: unknown): string {
  if (!(result instanceof Error)) return "ok";
  if (result === GAVE_UP) return "aborted";
  return result instanceof WasmeError ? result.code : result.name;
}

function tell(result: unknown, events: readonly string[]): string {
  const shown =
    result instanceof WasmeError
      ? `${result.code}: ${result.message} | ${result.hint ?? ""} | ${JSON.stringify(result.details)}`
      : String(result);
  return [shown, ...events].map((line) => `  ${line}`).join("\n");
}

/** Whatever was sent as a secret must not be in what is told. */
function secretsIn(registry: FaultRegistry, told: string): readonly string[] {
  const sent = registry.requests.flatMap(({ authorization }) => authorization?.split(" ").slice(1) ?? []);
  return [...new Set([USER.password, ...sent])].filter((secret) => told.includes(secret)).map((each) => `told ${each}`);
}

const UNDER_WAY = /^(?:ingest\/|\.tmp-|index\.lock)/u;
const GAVE_UP: Error = new Error("the user gave up");
