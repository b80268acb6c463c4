import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, type TestContext } from "vitest";
import { need } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { runCli } from "../support/run-cli.ts";
import { fetchOnce, type RunningCli, startRun } from "../support/run-filter.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Runs the scripted filter (`c-script`). */
async function scripted(
  context: TestContext,
  script: string,
  ...args: string[]
): Promise<RunningCli & { dir: string }> {
  const dir = tempDir();
  const file = join(dir, "script.wasm");
  writeFileSync(file, await need(context, "filters", async () => await fixture("c-script")));
  return { ...(await startRun([file, "--config", script, ...args], dir)), dir };
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const logOf = (run: RunningCli): string[] =>
  run.lines().flatMap((line) => (line["filter"] === "script" ? [String(line["message"])] : []));

const CALL = '{":method": POST, ":path": "/check?a=b", ":authority": auth, "authorization": "Bearer secret-token"}';
const RESUME = "hcr: get 6 :status; get 6 x-user; buf 4 0 99; effective $stream; replace 0 x-user jo; continue 0";

test("an HTTP callout reaches its cluster while the request waits, and the exchange is recorded with it", async (context) => {
  const got: string[] = [];
  const server = createServer((request, response) => {
    got.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers["authorization"]}`);
    request.resume().on("end", () => response.writeHead(200, { "x-user": "jo" }).end("welcome secret-token"));
  });
  const port = await portOf(server);
  const script = `rqh: http auth ${CALL} ask {} 1000; ret 1\n${RESUME}`;
  const run = await scripted(
    context,
    script,
    "--cluster",
    `auth=http://127.0.0.1:${port}`,
    "--record",
    "seen.test.yaml",
  );
  const answer = await fetchOnce(`${run.url}/secret`);
  expect(JSON.parse(answer.body)).toMatchObject({ path: "/secret", headers: { "x-user": "jo" } });
  expect(got).toEqual(["POST /check?a=b auth Bearer secret-token"]);
  expect(logOf(run).join("\n")).toMatch(/welcome secret-token/u);
  expect(await run.line((line) => line["cluster"] !== undefined)).toMatchObject({ cluster: "auth", status: 200 });
  run.child.kill("SIGINT");
  await run.result;
  const file = readFileSync(join(run.dir, "seen.test.yaml"), "utf8");
  expect(file).toContain("to: auth");
  // The configuration of this filter holds the token; nothing that went by does.
  expect(file.split("tests:")[1]).not.toContain("secret-token");
  const tested = await runCli(["test", "seen.test.yaml"], { home: run.dir });
  expect(tested).toMatchObject({ code: 0, stdout: expect.stringContaining("1 passed") as string });
});

test("refused callouts, late ones and unknown clusters come out as in Envoy", async (context) => {
  const silent = await portOf(createServer(() => undefined));
  const call = '{":method": GET, ":path": /, ":authority": x}';
  const run = await scripted(
    context,
    `rqh: http refused ${call} "" {} 1000; http late ${call} "" {} 50; http nobody ${call} "" {} 1000; ret 1\n` +
      "hcr: get 6 :status; buf 4 0 99\nhcr@2: get 6 :status; effective $stream; continue 0",
    "--cluster",
    "refused=http://127.0.0.1:1",
    "--cluster",
    `late=http://127.0.0.1:${silent}`,
  );
  expect(await fetchOnce(run.url)).toMatchObject({ status: 200 });
  const log = logOf(run).join("\n");
  expect(log).toMatch(/http refused.* 0/u);
  expect(log).toMatch(/http nobody.* 2/u);
  expect(log).toContain("remote connection failure");
  expect(log).toContain("503");
  expect(log).toContain("504");
});

test("gRPC calls and streams go over HTTP/2 with their framing, metadata and status", async (context) => {
  const seen: string[] = [];
  const server = createHttp2Server();
  server.on("stream", (stream, headers) => {
    seen.push(
      `${String(headers[":path"])} ${String(headers["content-type"])} ${String(headers["te"])} ${String(headers["x-md"])}`,
    );
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "x-initial": "yes" },
      { waitForTrailers: true },
    );
    const failing = String(headers[":path"]).endsWith("/Fail");
    stream.on("wantTrailers", () => {
      stream.sendTrailers(
        failing ? { "grpc-status": "5", "grpc-message": "no such" } : { "grpc-status": "0", "x-trailing": "t" },
      );
    });
    // Each piece comes back in two halves: messages are put together again.
    stream.on("data", (piece: Buffer) => {
      if (failing) return;
      stream.write(piece.subarray(0, 3));
      setTimeout(() => stream.write(piece.subarray(3)), 10);
    });
    stream.on("end", () => setTimeout(() => stream.end(), 30));
  });
  const cluster = ["--cluster", `grpc=h2c://127.0.0.1:${await portOf(server)}`];
  const unary = await scripted(
    context,
    "rqh: grpc_call grpc my.Service Echo {x-md: 1} hello 1000; ret 1\ngrr: buf 5 0 99; effective $stream; continue 0",
    ...cluster,
  );
  expect(await fetchOnce(unary.url)).toMatchObject({ status: 200 });
  expect(seen[0]).toBe("/my.Service/Echo application/grpc trailers 1");
  expect(logOf(unary).join("\n")).toContain("hello");
  const failed = await scripted(
    context,
    "rqh: grpc_call grpc my.Service Fail {} hello 1000; ret 1\ngrc: status; effective $stream; continue 0",
    ...cluster,
  );
  expect(await fetchOnce(failed.url)).toMatchObject({ status: 200 });
  expect(logOf(failed).join("\n")).toMatch(/5 .*no such/u);
  const stream = await scripted(
    context,
    "rqh: grpc_stream grpc my.Service Twice {x-md: 1} =s; grpc_send $s one 0; ret 1\ngri: pairs 4\n" +
      "grr@1: buf 5 0 99; grpc_send $s two 1\ngrr: buf 5 0 99\ngrt: pairs 5\ngrc: effective $stream; continue 0",
    ...cluster,
  );
  expect(await fetchOnce(stream.url)).toMatchObject({ status: 200 });
  const log = logOf(stream).join("\n");
  expect(log).toContain("x-initial");
  expect(log).toContain("x-trailing");
  expect(log).toMatch(/one[\s\S]*two/u);
});

test("a timer of the filter ticks by the real clock, and resumes a request", async (context) => {
  const run = await scripted(context, "cfg: set_tick 50\nrqh: ret 1\ntick: effective $stream; continue 0");
  expect(await fetchOnce(run.url)).toMatchObject({ status: 200 });
});
