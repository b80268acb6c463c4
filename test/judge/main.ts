// The judge as a program: `node main.js SETTINGS`, JSON. It prints `judge on http://…` once it has seen the cluster, and
// is asked there: `GET /report?namespace=…`, `POST /addresses` (JSON, pod to host:port or null), `POST /restart?count=N`.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type JudgeSettings, startJudge } from "./judge.ts";

const judge = await startJudge(JSON.parse(process.argv[2] ?? "{}") as JudgeSettings);
const server = createServer((request, response) => {
  void (async () => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://judge");
    const body = await text(request);
    if (pathname === "/addresses") judge.addresses(JSON.parse(body) as Record<string, string | null>);
    if (pathname === "/restart") judge.restart(Number(searchParams.get("count")));
    response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify(judge.report(searchParams.get("namespace") ?? undefined)));
  })();
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`judge on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
