import { expect, test } from "vitest";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { fetchOnce, MISBEHAVIOUR, startRun, writeFilter } from "../support/run-filter.ts";
import { tempDir } from "../support/temp-dir.ts";

const HEADERS = { export: "proxy_on_request_headers", params: "iii", result: "i" } as const;
const RESPONSE_BODY = { export: "proxy_on_response_body", params: "iii", result: "i" } as const;

test("serves a module file in front of the echo service, and ends on Ctrl-C", async () => {
  const run = await startRun([HELLO_WASM]);
  const answer = await fetchOnce(`${run.url}/hi?x=1`, { method: "POST", body: "a body" });
  expect(answer).toMatchObject({ status: 200, headers: { hello: "world", server: "envoy" } });
  expect(JSON.parse(answer.body)).toMatchObject({ method: "POST", path: "/hi?x=1", body: "a body" });
  const line = await run.line((one) => one["message"] === "request");
  expect(line).toMatchObject({ method: "POST", path: "/hi?x=1", status: 200, bytesIn: 6, details: "via_upstream" });
  run.child.kill("SIGINT");
  const { code, stdout, stderr } = await run.result;
  expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
  expect(stderr).not.toContain("Interrupted");
  expect(JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
    level: "info",
    message: "Stopped after 1 request",
    requests: 1,
  });
});

test("a filter that loops is ended, its request answered, and another one serves the next", async () => {
  const dir = tempDir();
  const run = await startRun([writeFilter(dir, [{ ...HEADERS, body: MISBEHAVIOUR.loop }])], dir);
  for (const path of ["/one", "/two"]) {
    expect(await fetchOnce(`${run.url}${path}`)).toMatchObject({ status: 503, body: "" });
    const line = await run.line((one) => one["path"] === path);
    expect(line).toMatchObject({ status: 503, details: "wasm_fail_stream{stuck}" });
  }
  const told = await run.line((one) => one["level"] === "warn");
  expect(told["message"]).toBe("the filter did not return within 1000 ms; 1 request was answered 503");
  expect(run.child.exitCode).toBeNull();
});

test("a filter that traps is told with its callback; requests are refused, or let through with --fail open", async () => {
  const dir = tempDir();
  const file = writeFilter(dir, [{ ...HEADERS, body: MISBEHAVIOUR.trap }]);
  const closed = await startRun([file], dir);
  expect(await fetchOnce(closed.url)).toMatchObject({ status: 503, body: "" });
  const line = await closed.line((one) => one["code"] === "trap");
  expect(line).toMatchObject({ level: "error", filter: "filter", callback: "proxy_on_request_headers" });
  expect(await fetchOnce(closed.url)).toMatchObject({ status: 503 });
  const open = await startRun([file, "--fail", "open"], dir);
  await fetchOnce(open.url);
  expect(await fetchOnce(open.url)).toMatchObject({ status: 200 });
});

test("--record writes a trap down as a test that passes, and nothing of the streams a filter that is gone refused", async () => {
  const dir = tempDir();
  const file = writeFilter(dir, [{ ...HEADERS, body: MISBEHAVIOUR.trap }]);
  const run = await startRun([file, "--record", "recorded.test.yaml"], dir);
  for (let times = 0; times < 3; times += 1) expect(await fetchOnce(run.url)).toMatchObject({ status: 503 });
  const told = run.lines().filter((line) => String(line["message"]).includes("not recorded"));
  run.child.kill("SIGINT");
  await run.result;
  expect(told).toMatchObject([{ level: "warn", message: "exchanges are not recorded while the filter is gone" }]);
  const tested = await runCli(["test", "recorded.test.yaml", "-o", "json"], { home: dir });
  expect(JSON.parse(tested.stdout)).toMatchObject({ passed: 1, failed: 0 });
});

test("a filter that grows its memory without end is stopped at the limit, and the listener stays", async () => {
  const dir = tempDir();
  const run = await startRun([writeFilter(dir, [{ ...HEADERS, body: MISBEHAVIOUR.grow }])], dir);
  expect(await fetchOnce(run.url)).toMatchObject({ status: 503 });
  await run.line((one) => one["code"] === "memory-limit" || one["code"] === "trap");
  expect(await fetchOnce(run.url)).toMatchObject({ status: 503 });
});

test("a loop in the middle of a response breaks that response only", async () => {
  const dir = tempDir();
  const body = MISBEHAVIOUR.loopAtEnd;
  const run = await startRun([writeFilter(dir, [{ ...RESPONSE_BODY, body }])], dir);
  expect(await fetchOnce(`${run.url}/stream/2`)).toMatchObject({ status: 0, headers: { server: "envoy" } });
  expect(await fetchOnce(`${run.url}/status/204`)).toMatchObject({ status: 204 });
});

test("refuses what cannot be served, each in one sentence with what to type next", async () => {
  const home = tempDir();
  const run = async (...args: string[]): Promise<{ code: number | null; stderr: string }> =>
    await runCli(["run", ...args, "--listen", "127.0.0.1:0"], { home });
  expect(await run("nothing.wasm")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Error: there is no file or folder nothing.wasm\nHint: ") as string,
  });
  expect(await run("hello:v1")).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("no image docker.io/library/hello:v1 in the local store") as string,
  });
  const unknown = writeFilter(home, [], { imports: [{ name: "proxy_moon" }] });
  expect(await run(unknown)).toMatchObject({
    code: 7,
    stderr: expect.stringMatching(/does not load: .*proxy_moon[\s\S]*Hint: .*--stub-unknown/u) as string,
  });
  const picky = writeFilter(home, [
    { export: "proxy_on_configure", params: "ii", result: "i", body: MISBEHAVIOUR.fine },
  ]);
  expect(await run(picky, "--config", "{}")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/rejects its configuration[\s\S]*Hint: .*--config/u) as string,
  });
  expect(await run(HELLO_WASM, "--upstream", "localhost:3000")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Hint: did you mean http://localhost:3000?") as string,
  });
  expect(await run(HELLO_WASM, "--cluster", "auth")).toMatchObject({ code: 2 });
  expect(await run(HELLO_WASM, "--property", "x")).toMatchObject({ code: 2 });
  expect(await run(HELLO_WASM, "--config", "@none.json")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--config: cannot read none.json: no such file") as string,
  });
});

test("says that the port is taken", async () => {
  const run = await startRun([HELLO_WASM]);
  const taken = await runCli(["run", HELLO_WASM, "--listen", new URL(run.url).host], { home: tempDir() });
  expect(taken).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/the port is taken[\s\S]*Hint: choose another/u) as string,
  });
});
