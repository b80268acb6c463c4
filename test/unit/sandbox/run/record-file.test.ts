import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openRecordFile, type RecordFile, type RecordOptions } from "../../../../src/sandbox/run/record-file.ts";
import type { RecordedExchange } from "../../../../src/sandbox/run/recorded-exchange.ts";
import { parseTestFile } from "../../../../src/sandbox/test/parse-test-file.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const source = { name: "filter.wasm", kind: "image" } as unknown as RecordOptions["source"];
const filter = { failurePolicy: "closed" } as unknown as RecordOptions["request"];
const request: RecordOptions["request"] = filter;

async function record(cwd: string): Promise<RecordFile> {
  return await openRecordFile({ file: "a.test.yaml", cwd, secrets: false, source, request });
}

function exchangeOf(body: string): RecordedExchange {
  const headers = [":method", "POST", ":path", "/", ":authority", "x", "proxy-authorization", "Basic c2VjcmV0LXRva2Vu"];
  const pieces = [new TextEncoder().encode(body)];
  const response = { headers: [":status", "200"], pieces: [], trailers: undefined };
  const sent = { headers, pieces, trailers: undefined };
  const exchange = { protocol: "HTTP/1.1", request: sent, forwarded: sent, answer: response, response, callouts: [] };
  return { ...exchange, fault: undefined, trapped: false };
}

test("a new file is its owner's only, an old one keeps its mode, and no secret is in either", async () => {
  const cwd = tempDir();
  const path = join(cwd, "a.test.yaml");
  const file = await record(cwd);
  await file.append(exchangeOf("one"));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  chmodSync(path, 0o640);
  await file.append(exchangeOf("two"));
  expect(statSync(path).mode & 0o777).toBe(0o640);
  const text = readFileSync(path, "utf8");
  expect((await parseTestFile(text, "a")).file.tests).toHaveLength(2);
  expect(text).not.toContain("c2VjcmV0LXRva2Vu");
  expect(readdirSync(cwd)).toEqual(["a.test.yaml"]);
});

test("a file never grows beyond what can be read", async () => {
  const cwd = tempDir();
  const path = join(cwd, "a.test.yaml");
  const file = await record(cwd);
  await file.append(exchangeOf("x".repeat(1_000_000)));
  const before = readFileSync(path, "utf8");
  writeFileSync(path, `${before}# ${"y".repeat(3_190_000)}\n`);
  const full = readFileSync(path, "utf8");
  await expect(file.append(exchangeOf("z".repeat(100_000)))).rejects.toMatchObject({ code: "FILE_TOO_LARGE" });
  expect(readFileSync(path, "utf8")).toBe(full);
  const tests = Array.from({ length: 10_000 }, (_, at) => `  - name: "${at}"\n    request: {path: /}\n`).join("");
  writeFileSync(path, `tests:\n${tests}`);
  await expect(file.append(exchangeOf("one more"))).rejects.toMatchObject({ code: "FILE_TOO_LARGE" });
});

test("what comes faster than it can be written is left out, and what was taken is written", async () => {
  const cwd = tempDir();
  const file = await record(cwd);
  const all = await Promise.allSettled(Array.from({ length: 80 }, (_, at) => file.append(exchangeOf(String(at)))));
  const refused = all.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(16);
  expect(refused[0]).toMatchObject({ reason: { code: "RECORDING_BEHIND" } });
  const { file: written } = await parseTestFile(readFileSync(join(cwd, "a.test.yaml"), "utf8"), "a");
  expect(written.tests).toHaveLength(64);
  await file.append(exchangeOf("later"));
});
