import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../src/host/header-map.ts";
import { Host } from "../../src/host/host.ts";
import { HttpExchange } from "../../src/host/exchange/http-exchange.ts";
import { latin1Bytes } from "../../src/host/guest-memory.ts";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import { CALL_SHAPES } from "../../src/host/trace-shapes.ts";
import { nodeForeignFunctions } from "../../src/isolate/foreign-functions.ts";
import { envoyPath, startEnvoy } from "../components/envoy.ts";
import { rawRequest } from "../components/raw-http.ts";
import { need } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { guestCalls } from "../support/guest-arbitraries.ts";
import { type GuestCall, guestModule, type GuestProgram } from "../support/guest-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { recordingEnvironment } from "../unit/host/support/recording.ts";

/** Guests that go to Envoy and to the host, and the calls each makes in a callback. */
const GUESTS = 24;
const CALLS = 60;
const SEED = Number(process.env["WASME_FUZZ_SEED"] ?? 20_261_121);

/**
 * Not compared here: what changes the course of a stream, what waits for answers, and gRPC targets, some of which Envoy
 * does not survive.
 */
const EXCLUDED: ReadonlySet<string> = new Set([
  "proxy_continue_stream",
  "proxy_close_stream",
  "proxy_send_local_response",
  "proxy_grpc_call",
  "proxy_grpc_stream",
  "proxy_set_header_map_pairs",
  "proxy_set_buffer_bytes",
  "proxy_log",
]);

/** A change of what routes and codecs look at, or to what they do not take, would end the stream early. */
function harmless({ name, args }: GuestCall): boolean {
  if (args.some((arg) => typeof arg === "string" && arg.startsWith("expr_"))) return false;
  // Outside the callback that brings them, the arguments of foreign functions are memory Envoy has freed: it may crash.
  if (name.startsWith("proxy_get_buffer") && args[0] === 8) return false;
  if (/_shared_|_metric|_set_property/u.test(name) && readsResults(name, args)) return false;
  if (!/_(?:add|replace|remove)_header_map_value/u.test(name)) return true;
  const [, key, value = ""] = args;
  const plain = (arg: unknown): boolean => typeof arg === "string" && /^[\w-]*$/u.test(arg);
  return plain(key) && plain(value) && key !== "" && key !== "host" && key !== "content-length";
}

/** Whether a name is taken from memory where results lie, such as the time, which are not the same on both sides. */
function readsResults(name: string, args: GuestCall["args"]): boolean {
  const rest = [...args];
  return (CALL_SHAPES.get(name) ?? []).some((word) => {
    const first = rest.shift();
    if (!["text", "bytes", "path"].includes(word)) {
      if (word === ">bytes") rest.shift();
      return false;
    }
    if (typeof first !== "number") return false;
    return (first >>> 0) + (Number(rest.shift()) >>> 0) <= MEMORY;
  });
}

/** Bytes of a generated guest's memory. */
const MEMORY = 2 * 65_536;

const callbackNames = [
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_log",
  "proxy_on_done",
];

const programs: fc.Arbitrary<GuestProgram> = fc
  .tuple(
    ...callbackNames.map(() =>
      fc.array(guestCalls((name) => name.startsWith("proxy_") && !EXCLUDED.has(name)).filter(harmless), {
        minLength: CALLS,
        maxLength: CALLS,
      }),
    ),
  )
  .map((calls) => ({
    callbacks: Object.fromEntries(callbackNames.map((name, at) => [name, calls[at] ?? []])),
    answers: Object.fromEntries(callbackNames.map((name) => [name, name === "proxy_on_done" ? 1 : 0])),
    logStatuses: true,
  }));

describe(`random calls (seed ${SEED})`, () => {
  it("get the same statuses from the host as from Envoy", { timeout: 120_000 }, async (context) => {
    await need(context, "envoy", envoyPath);
    const guests = fc.sample(programs, { numRuns: GUESTS, seed: SEED });
    const modules = guests.map((program) => guestModule(program));
    const ours = modules.map(hostStatuses(new Host({ environment: world })));
    const theirs = await envoyStatuses(modules);
    const differences = guests.flatMap((program, at) => compare(program, ours[at] ?? [], theirs[at] ?? [], at));
    expect(differences).toEqual([]);
    expect(ours.flat().join("")).toHaveLength(GUESTS * callbackNames.length * (CALLS + 1));
  });
});

/** The calls that were answered differently, with both statuses. */
function compare(program: GuestProgram, ours: readonly string[], theirs: readonly string[], guest: number): string[] {
  if (ours.length !== theirs.length)
    return [`guest ${guest}: ${ours.length} callbacks here, ${theirs.length} in Envoy`];
  return ours.flatMap((statuses, at) => {
    const name = callbackNames[at] ?? "";
    return (program.callbacks?.[name] ?? []).flatMap((made, index) => {
      const [own, other] = [statuses[index + 1], theirs[at]?.[index + 1]];
      if (own === other && own !== undefined) return [];
      const args = made.args.map((arg) => (typeof arg === "bigint" ? `${arg}n` : JSON.stringify(arg)));
      return [
        `guest ${guest} ${name}: ${made.name}(${args.join(", ")}) = ${number(own)} here, ${number(other)} in Envoy`,
      ];
    });
  });
}

function number(letter = "?"): number | string {
  return letter === "?" ? "?" : letter.charCodeAt(0) - 65;
}

const lines: string[] = [];
const world = recordingEnvironment({
  log: ({ text }) => void lines.push(text),
  foreign: nodeForeignFunctions(),
});

/** Runs one exchange through each module in one host; the status lines it logged. */
function hostStatuses(host: Host): (bytes: Uint8Array, at: number) => string[] {
  return (bytes, at) => {
    const started = host.start(loadModule(bytes), pluginConfig({ name: `p${at}`, rootId: "r", vmId: `vm${at}` }));
    if (!started.started) throw new Error(started.message);
    lines.length = 0;
    const sink = {
      headers: () => undefined,
      data: () => undefined,
      trailers: () => undefined,
      reset: () => undefined,
      pause: () => undefined,
    };
    const exchange = new HttpExchange({
      filters: [started.plugin],
      clock: world.clock,
      upstream: sink,
      downstream: sink,
      route: { name: "", cluster: "backend" },
      info: {
        protocol: "HTTP/1.1",
        source: { address: "127.0.0.1:1", port: 1 },
        destination: { address: "127.0.0.1:2", port: 2 },
        virtualHostName: "all",
      },
    });
    const request = [
      [":authority", "host"],
      [":path", "/a?b"],
      [":method", "POST"],
      [":scheme", "http"],
      ["cookie", "c"],
      ["content-length", "3"],
    ] as const;
    exchange.requestHeaders(new HeaderMap("request", request), false);
    exchange.requestData(latin1Bytes("abc"), false);
    exchange.requestData(new Uint8Array(0), true);
    exchange.responseHeaders(
      new HeaderMap("response", [
        [":status", "200"],
        ["content-length", "4"],
      ]),
      false,
    );
    exchange.responseData(latin1Bytes("body"), false);
    exchange.responseData(new Uint8Array(0), true);
    return once(lines);
  };
}

/** Body callbacks come once or twice: the first of each counts. */
function once(texts: readonly string[]): string[] {
  const marked = texts.filter((text) => text.startsWith("#"));
  if (marked.length <= callbackNames.length) return marked;
  const extra = marked.length - callbackNames.length;
  // request headers, one or two request bodies, response headers, one or two response bodies, log, done
  return extra === 2 ? [0, 1, 3, 4, 6, 7].map((at) => marked[at] ?? "") : marked;
}

async function envoyStatuses(modules: readonly Uint8Array[]): Promise<string[][]> {
  const folder = tempDir();
  await Promise.all(modules.map((bytes, at) => writeFile(join(folder, `${at}.wasm`), bytes)));
  const backend = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200, { "content-length": 4 }).end("body"));
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  const address = backend.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const listeners = modules.map((_bytes, at) => listener(at, join(folder, `${at}.wasm`)));
  const envoy = await startEnvoy({ config: { static_resources: { listeners, clusters: [cluster(port)] } } });
  try {
    const all: string[][] = [];
    for (const at of modules.keys()) {
      const url = await envoy.listenerUrl(`l${at}`);
      const before = envoy.log().length;
      await rawRequest({
        url: `${url}/a?b`,
        method: "POST",
        headers: { host: "host", cookie: "c" },
        body: "abc",
      }).catch(() => undefined); // guests add headers that Node's client does not like
      const statuses = (): string[] =>
        Array.from(
          envoy
            .log()
            .slice(before)
            .matchAll(/: (#[A-Z]+)$/gmu),
          ([, text = ""]) => text,
        );
      await waitFor("the end of the stream in Envoy's log", () =>
        Promise.resolve(statuses().length >= 8 ? true : undefined),
      );
      all.push(once(statuses()));
    }
    return all;
  } finally {
    await envoy.stop();
    backend.close();
  }
}

function cluster(port: number): object {
  const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
  return {
    name: "backend",
    type: "STATIC",
    load_assignment: { cluster_name: "backend", endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

function listener(at: number, filename: string): object {
  const type = (name: string): { readonly "@type": string } => ({
    "@type": `type.googleapis.com/envoy.extensions.filters.${name}`,
  });
  const vm = { vm_id: `vm${at}`, runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } };
  const wasm = { ...type("http.wasm.v3.Wasm"), config: { name: `p${at}`, root_id: "r", vm_config: vm } };
  const manager = {
    ...type("network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "all",
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "backend" } }] },
      ],
    },
    http_filters: [
      { name: "wasm", typed_config: wasm },
      { name: "router", typed_config: type("http.router.v3.Router") },
    ],
  };
  const name = "envoy.filters.network.http_connection_manager";
  return {
    name: `l${at}`,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [{ name, typed_config: manager }] }],
  };
}
