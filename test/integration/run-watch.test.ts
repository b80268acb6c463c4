import { copyFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { durationText } from "../../src/domain/duration.ts";
import { watchSource } from "../../src/sandbox/run/watch-source.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { fetchOnce, MISBEHAVIOUR, type RunLine, startRun, writeFilter } from "../support/run-filter.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterModule } from "../support/wasm-builder.ts";

const CONFIGURE = { export: "proxy_on_configure", params: "ii", result: "i" } as const;
const swapped = (line: RunLine): boolean => line["savedToServedMs"] !== undefined;
const kept = (line: RunLine): boolean => String(line["message"]).startsWith("the change is not served");

test("a changed module file is served without a dropped request; a failing one leaves the old one", async () => {
  const dir = tempDir();
  const file = writeFilter(dir, []);
  const run = await startRun([file, "--watch"], dir);
  const traffic = { going: true };
  const seen: { status: number; hello: unknown }[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (traffic.going) {
      const { status, headers } = await fetchOnce(`${run.url}/delay/20`);
      seen.push({ status, hello: headers["hello"] });
    }
  });
  await expect.poll(() => seen.length).toBeGreaterThan(4);
  copyFileSync(HELLO_WASM, file);
  const line = await run.line(swapped);
  // On a busy machine either takes a second, and compiling is named when it takes any time at all.
  const compiled = line["compileMs"] === 0 ? "" : `, and ${durationText(Number(line["compileMs"]))} to compile`;
  const served = `${durationText(Number(line["savedToServedMs"]))} from saved to served`;
  expect(line["message"]).toBe(`Serving the new ${file}: ${served}${compiled}`);
  await expect.poll(() => seen.at(-1)?.hello).toBe("world");
  writeFileSync(file, "no module at all");
  await run.line(kept);
  expect(await fetchOnce(run.url)).toMatchObject({ status: 200, headers: { hello: "world" } });
  traffic.going = false;
  await Promise.all(load);
  expect(seen.filter(({ status }) => status !== 200)).toEqual([]);
  expect(seen.some(({ hello }) => hello === undefined)).toBe(true);
}, 180_000);

test("a module or configuration that is rejected leaves the old filter serving, and says why", async () => {
  const dir = tempDir();
  const config = join(dir, "config.txt");
  writeFileSync(config, "one");
  const file = join(dir, "filter.wasm");
  copyFileSync(HELLO_WASM, file);
  const run = await startRun([file, "--watch", "--config", `@${config}`], dir);
  writeFilter(dir, [{ ...CONFIGURE, body: MISBEHAVIOUR.fine }]);
  // A file read while it is written is kept out for another reason.
  await run.line((line) => kept(line) && String(line["message"]).includes("it rejects its configuration"));
  expect(await fetchOnce(run.url)).toMatchObject({ headers: { hello: "one" } });
  // Whether the configuration has a length decides: local.get 1.
  writeFileSync(join(dir, "next.wasm"), filterModule({ functions: [{ ...CONFIGURE, body: [0x20, 0x01] }] }));
  renameSync(join(dir, "next.wasm"), file);
  await run.line(swapped);
  expect((await fetchOnce(run.url)).headers["hello"]).toBeUndefined();
  const before = run.lines().filter(kept).length;
  writeFileSync(config, "");
  await expect.poll(() => run.lines().filter(kept).length).toBe(before + 1);
});

test("a folder is followed with what is new in it, and what is generated is not", async () => {
  const dir = tempDir();
  mkdirSync(join(dir, "assembly"));
  mkdirSync(join(dir, "build"));
  writeFileSync(join(dir, "assembly/index.ts"), "one");
  let changes = 0;
  const watch = await watchSource({ paths: [dir], except: join(dir, "recorded.test.yaml") }, () => (changes += 1));
  onTestFinished(() => watch.close());
  writeFileSync(join(dir, "assembly/index.ts"), "two");
  await expect.poll(() => changes).toBe(1);
  mkdirSync(join(dir, "assembly/more"));
  await delay(100);
  writeFileSync(join(dir, "assembly/more/new.ts"), "three");
  await expect.poll(() => changes).toBe(2);
  // The same content, build output, hidden files and what a run records change nothing.
  writeFileSync(join(dir, "assembly/index.ts"), "two");
  writeFileSync(join(dir, "build/out.wasm"), "four");
  writeFileSync(join(dir, ".hidden"), "five");
  writeFileSync(join(dir, "recorded.test.yaml"), "six");
  await delay(200);
  expect(changes).toBe(2);
});
