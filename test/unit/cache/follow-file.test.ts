import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { followFile } from "../../../src/cache/follow-file.ts";
import { type Log, silentLog } from "../../../src/platform/json-log.ts";

/** What is logged of a list that cannot be read, looked at twice. */
async function logged(path: string): Promise<readonly unknown[]> {
  const stop = new AbortController();
  const said: unknown[] = [];
  const log: Log = { ...silentLog, warn: (message, fields) => said.push({ message, ...fields }) };
  let looks = 0;
  const sleep = async (): Promise<void> => void ((looks += 1) === 2 && stop.abort());
  const onText = (): void => expect.unreachable("there is no text");
  await followFile({ path, clock: { now: () => 0, sleep }, log, onText }, stop.signal);
  return said;
}

test("a list that cannot be read is told once, in words", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wasme-follow-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const absent = join(folder, "absent");
  const message = (path: string): string => `cannot read the list ${path}, trying again`;
  expect(await logged(folder)).toEqual([{ message: message(folder), error: "it is a folder" }]);
  expect(await logged(absent)).toEqual([{ message: message(absent), error: "no such file" }]);
});
