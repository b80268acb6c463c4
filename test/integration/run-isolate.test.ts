import { utimesSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { webAssembly } from "../../src/host/webassembly.ts";
import {
  type GuestThread,
  type GuestWorker,
  type GuestWorkerOptions,
  startGuestWorker,
  startThread,
} from "../../src/isolate/guest-worker.ts";
import { SpareThread } from "../../src/isolate/spare-thread.ts";
import { workerEntry } from "../../src/isolate/worker-entry.ts";
import { buildModule } from "../support/wasm-builder.ts";
import { tempDir } from "../support/temp-dir.ts";

const ENTRY = new URL("../support/guest-worker.mjs", import.meta.url);

// loop · br 0 · end; unreachable; memory.grow; a call of itself
const LOOP = [0x03, 0x40, 0x0c, 0x00, 0x0b];
const MODULE = new (webAssembly().Module)(
  buildModule({
    functions: [
      { export: "loop", body: LOOP },
      { export: "trap", body: [0x00] },
      { export: "grow", params: "i", result: "i", body: [0x20, 0x00, 0x40, 0x00] },
      { export: "recurse", body: [0x10, 0x03] },
      { export: "one", result: "i" },
    ],
  }),
);

function start(options: Partial<GuestWorkerOptions> = {}): GuestWorker {
  const worker = startGuestWorker({ entry: ENTRY, data: undefined, hardLimitMs: 100, ...options });
  onTestFinished(() => worker.stop());
  return worker;
}

const call = (name: string, ...args: number[]): object => ({ module: MODULE, name, args });

test("a guest that loops ends its thread, soon after the limit, and everybody who waits is told", async () => {
  const worker = start();
  expect(await worker.ask(call("one"))).toBe(1);
  const began = performance.now();
  const answers = await Promise.allSettled([worker.ask(call("loop")), worker.ask(call("one"))]);
  expect(performance.now() - began).toBeLessThan(20_000); // 100 ms and a step of 10 ms on an idle machine; never when it fails
  const end = await worker.ended;
  expect(end).toEqual({ reason: "stuck", message: "the filter did not return within 100 ms" });
  for (const answer of answers) expect(answer).toMatchObject({ status: "rejected", reason: { end } });
  await expect(worker.ask(call("one"))).rejects.toMatchObject({ name: "WorkerGone", end });
});

test("a thread that waits, or works outside the guest, is not taken for stuck", async () => {
  const worker = start({ hardLimitMs: 50 });
  expect(await worker.ask({ rest: 300 })).toBe("timed-out");
  expect(await worker.ask({ later: 300 })).toBe("later");
  expect(await worker.ask(call("one"))).toBe(1);
});

test("a guest that is given no processor is not stuck, and one that waits for ever is in the end", async () => {
  const worker = start({ hardLimitMs: 100 });
  expect(await worker.ask({ block: 400 })).toBe("timed-out");
  await expect(worker.ask({ block: 60_000 })).rejects.toMatchObject({ end: { reason: "stuck" } });
});

test("a question without an answer ends the thread, and says so", async () => {
  const worker = start({ answerLimitMs: 1000 });
  expect(await worker.ask(call("one"))).toBe(1);
  const end = { reason: "endless", message: expect.stringContaining("no end after 1 s") };
  await expect(worker.ask({ never: true })).rejects.toMatchObject({ end });
});

test("an answer has the time it was given, be that longer than Node's timers take", async () => {
  const worker = start({ answerLimitMs: 9999 * 3_600_000 });
  expect(await worker.ask({ later: 50 })).toBe("later");
});

test("the limit is per call: many short calls go on for longer", async () => {
  const worker = start({ hardLimitMs: 50 });
  const until = performance.now() + 300;
  while (performance.now() < until) expect(await worker.ask(call("one"))).toBe(1);
});

test("traps and endless recursion are errors of the call, and the thread goes on", async () => {
  const worker = start();
  await expect(worker.ask(call("trap"))).rejects.toThrow("unreachable");
  await expect(worker.ask(call("recurse"))).rejects.toThrow("Maximum call stack size exceeded");
  expect(await worker.ask(call("one"))).toBe(1);
});

test("memory.grow answers -1 where the memory may not grow", async () => {
  const limited = new (webAssembly().Module)(limitMemory());
  const worker = start();
  // Posted modules are copies, so each call has a memory of its own.
  expect(await worker.ask({ module: limited, name: "grow", args: [1] })).toBe(1);
  expect(await worker.ask({ module: limited, name: "grow", args: [2] })).toBe(-1);
});

test("a heap that runs over ends the thread and not the process", async () => {
  const worker = start({ heapMegabytes: 32, hardLimitMs: 60_000 });
  await expect(worker.ask({ hoard: true })).rejects.toMatchObject({
    end: { reason: "crashed", message: "the thread of the filter needed more than 32 MiB of heap" },
  });
});

test("bytes beside the heap count, too, and end the thread and not the process", async () => {
  const worker = start({ memoryMegabytes: 200, hardLimitMs: 60_000 });
  await expect(worker.ask({ bodies: true })).rejects.toMatchObject({
    end: { reason: "crashed", message: expect.stringContaining("needed more than 200 MiB of memory") },
  });
  const next = start();
  expect(await next.ask(call("one"))).toBe(1);
});

test("a thread that exits, or throws where nobody asked, is told as crashed", async () => {
  const exits = start();
  await expect(exits.ask({ exit: 0 })).rejects.toMatchObject({ end: { reason: "crashed" } });
  const throws = start();
  const asked = throws.ask({ never: true });
  throws.post({ fail: true });
  await expect(asked).rejects.toMatchObject({ end: { message: "the thread of the filter ended: asked to fail" } });
});

test("a thread that does not start says why, to who asks before and after", async () => {
  const worker = start({ data: { failAtStart: true } });
  const early = worker.ask(call("one"));
  await expect(early).rejects.toThrow("no good start");
  expect(await worker.ended).toMatchObject({ reason: "crashed" });
  await expect(worker.ask(call("one"))).rejects.toThrow("no good start");
  const missing = start({ entry: new URL("no-such-file.mjs", ENTRY) });
  await expect(missing.ask(call("one"))).rejects.toThrow("no-such-file.mjs");
});

const BIRTH: GuestThread = { entry: ENTRY, data: undefined };

test("what a thread that was started ahead may take counts from its use on", async () => {
  const spare = new SpareThread(BIRTH);
  onTestFinished(() => spare.close());
  spare.prepare();
  const ours = Buffer.alloc(300 * 2 ** 20, 1);
  const worker = spare.take().use({ memoryMegabytes: 200 });
  onTestFinished(() => worker.stop());
  expect(await worker.ask({ rest: 300 })).toBe("timed-out");
  expect(ours[0]).toBe(1);
  await expect(worker.ask({ bodies: true })).rejects.toMatchObject({ end: { reason: "crashed" } });
});

test("of threads that were started ahead there is one, and nobody gets it twice", async () => {
  let started = 0;
  const count = (): unknown => (started += 1);
  process.on("worker", count);
  onTestFinished(() => void process.off("worker", count));
  const spare = new SpareThread(BIRTH);
  spare.prepare();
  spare.prepare();
  const first = spare.take();
  spare.prepare();
  const second = spare.take();
  expect(second).not.toBe(first);
  spare.prepare();
  await Promise.all([first.stop(), second.stop(), spare.close()]);
  spare.prepare();
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toBe(3);
});

test("a thread that ends before it is used harms nobody, and who uses it is told", async () => {
  const thread = startThread({ ...BIRTH, data: { failAtStart: true } });
  await thread.exited;
  await expect(thread.use({}).ask(call("one"))).rejects.toThrow("no good start");
});

test("stop ends a guest in the middle of a loop", async () => {
  const worker = start({ hardLimitMs: 60_000 });
  const asked = worker.ask(call("loop")).catch((error: unknown) => error);
  await worker.stop();
  expect(await asked).toMatchObject({ end: { reason: "stopped" } });
});

test("messages nobody asked for arrive, and a compiled module can be posted to the thread that replaces one", async () => {
  const posted: unknown[] = [];
  const first = start({ onMessage: (message) => posted.push(message) });
  await first.ask({ post: "hello" });
  await first.ask(call("loop")).catch(() => undefined);
  const second = start();
  expect(await second.ask(call("one"))).toBe(1);
  expect(posted).toEqual(["hello"]);
});

test("a compiled file older than its source is refused, also when it is only imported", () => {
  const dir = tempDir();
  for (const folder of ["src", "dist"]) mkdirSync(join(dir, folder));
  const write = (path: string, text: string, seconds: number): void => {
    writeFileSync(join(dir, path), text);
    utimesSync(join(dir, path), seconds, seconds);
  };
  const base = pathToFileURL(join(dir, "src/caller.ts")).href;
  write("src/worker.ts", "", 1000);
  write("src/part.ts", "", 1000);
  expect(() => workerEntry("./worker", base)).toThrow("older than its source");
  write("dist/worker.js", 'import { x } from "./part.js";\n', 2000);
  write("dist/part.js", "", 2000);
  expect(workerEntry("./worker", base).pathname).toBe(join(dir, "dist/worker.js"));
  write("src/part.ts", "", 3000);
  expect(() => workerEntry("./worker", base)).toThrow("part.js is older than its source");
});

/** One page, at most two, with `grow`. */
function limitMemory(): Uint8Array {
  const bytes = Array.from(
    buildModule({
      functions: [{ export: "grow", params: "i", result: "i", body: [0x20, 0x00, 0x40, 0x00] }],
      memory: { pages: 1 },
    }),
  );
  const at = bytes.findIndex(
    (_, i) => bytes[i] === 5 && bytes[i + 1] === 3 && bytes[i + 2] === 1 && bytes[i + 3] === 0,
  );
  bytes.splice(at, 5, 5, 4, 1, 1, 1, 2);
  return Uint8Array.from(bytes);
}
