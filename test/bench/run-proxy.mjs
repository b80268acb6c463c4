/**
 * One proxy to measure, in a process of its own: `node run-proxy.mjs KIND UPSTREAM [MODULE]`. Kinds: `plain` (node:http
 * and pipe), `bare` (the proxy of `run` without exchange and filter), `open` (with the exchange beside the sockets, no filter),
 * `run` (with the filter in its thread). Prints its URL.
 */
import { readFileSync } from "node:fs";
import { Agent, createServer, request as httpRequest } from "node:http";

const DIST = new URL("../../dist/", import.meta.url);
const load = async (path) => await import(new URL(path, DIST));
const [kind, upstreamUrl, modulePath] = process.argv.slice(2);
async function start() {
  if (kind === "plain") return await startPlain();
  const { startListener } = await load("sandbox/run/listener.js");
  const { openUpstream } = await load("sandbox/run/open-upstream.js");
  const { upstream } = openUpstream(upstreamUrl);
  const onRequest = kind === "bare" ? bare(upstream) : proxied(upstream, await (kind === "open" ? open : filtered)());
  const listener = await startListener({ host: "127.0.0.1", port: 0, onRequest });
  return listener.address.split(":")[1];
}

function bare(upstream) {
  return (head, client) => {
    const call = upstream.send(head.headers, head.end, {
      headers: (headers, end) => client.headers(headers, end),
      data: (bytes, end) => client.data(bytes, end),
      trailers: (trailers) => client.trailers(trailers),
      fault: () => client.reset(),
      drained: () => undefined,
    });
    return {
      data: (bytes, end) => call.data(bytes, end),
      trailers: (trailers) => call.trailers(trailers),
      gone: () => call.reset(),
      drained: () => undefined,
    };
  };
}

const { Proxy } = await load("sandbox/run/proxy.js");
const { AccessObserver } = await load("sandbox/run/access-observer.js");
const none = () => undefined;

function proxied(upstream, engine) {
  const observe = ({ protocol }) => new AccessObserver(protocol, none, none);
  const proxy = new Proxy({ upstream, timeoutMs: 15_000, observe, replace: none, onEnd: none, onBroken: none });
  proxy.use(engine);
  return (head, client) => proxy.accept(head, client);
}

async function open() {
  const { RunCore } = await load("sandbox/run/run-core.js");
  const { CoreLink } = await load("sandbox/run/core-link.js");
  const { CoreCallouts } = await load("sandbox/run/core-callouts.js");
  const core = new RunCore({
    filters: [],
    clock: { now: () => BigInt(Date.now()) * 1_000_000n, monotonic: () => process.hrtime.bigint() },
    random: (target) => target.fill(7),
    post: (batch) => link.receive(batch),
    settle: () => 0,
    callouts: new CoreCallouts([]),
    properties: new Map(),
    upstreamAddress: "127.0.0.1:1",
  });
  const link = new CoreLink((batch) => core.handle(batch), {});
  return { link, ended: new Promise(none) };
}

async function filtered() {
  const { spareEngine } = await load("sandbox/run/run-engine.js");
  const { loadModule } = await load("host/load-module.js");
  const { pluginConfig } = await load("host/plugin-config.js");
  const spare = spareEngine({
    clusters: { http: new Map(), grpc: new Map() },
    events: { log: none, report: none, callout: none },
    hardLimitMs: 1000,
  });
  const engine = spare.begin({
    module: loadModule(readFileSync(modulePath)),
    plugins: [pluginConfig({ name: "filter" })],
    profile: "envoy",
    logLevel: "info",
    clusters: [],
    properties: new Map(),
    upstreamAddress: "127.0.0.1:1",
  });
  const started = await engine.start;
  if (!started.started) throw new Error(started.message);
  return engine;
}

async function startPlain() {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port: upstreamPort } = new URL(upstreamUrl);
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    const call = httpRequest({ agent, hostname, port: upstreamPort, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(call);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

process.stdout.write(`http://127.0.0.1:${await start()}\n`);
