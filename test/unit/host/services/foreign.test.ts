import { generateKeyPairSync, sign } from "node:crypto";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import type { ForeignFunction, ForeignFunctions } from "../../../../src/host/foreign.ts";
import { writeProto } from "../../../../src/host/proto.ts";
import { Status } from "../../../../src/host/status.ts";
import { nodeForeignFunctions } from "../../../../src/isolate/foreign-functions.ts";
import { call, type GuestCall, OUT } from "../../../support/guest-program.ts";
import { RecordingCallbacks } from "../support/recording.ts";
import { runGuest, type RunningGuest } from "./guest.ts";

function foreign(name: string, argument: string | Uint8Array = ""): GuestCall {
  return call("proxy_call_foreign_function", name, argument, OUT, OUT + 4);
}

function property(path: string): GuestCall {
  return call("proxy_get_property", path.replaceAll("/", "\0"), OUT, OUT + 4);
}

function set(path: string, value: string): GuestCall {
  return call("proxy_set_property", path.replaceAll("/", "\0"), value);
}

function filterState(key: string, value: string): GuestCall {
  return foreign(
    "set_envoy_filter_state",
    writeProto([
      [1, key],
      [2, value],
    ]),
  );
}

/** Declares a property that can be set once. */
function declare(name: string): GuestCall {
  return foreign(
    "declare_property",
    writeProto([
      [1, name],
      [2, true],
    ]),
  );
}

/** Makes the calls in request headers of a stream; the calls of other callbacks come with `more`. */
function inStream(
  calls: readonly GuestCall[],
  more: Readonly<Record<string, readonly GuestCall[]>> = {},
  functions?: ForeignFunctions,
): { readonly guest: RunningGuest; readonly callbacks: RecordingCallbacks; readonly lines: () => string[] } {
  const callbacks = { proxy_on_request_headers: calls, ...more };
  const answers = { proxy_on_request_headers: 0, proxy_on_response_headers: 0 };
  const guest = runGuest({ callbacks, answers }, functions === undefined ? {} : { foreign: functions });
  const recording = new RecordingCallbacks();
  const lines = (): string[] => guest.calls().map((line) => line.replace(/^call_foreign_function/u, "foreign"));
  if (calls.length > 0) guest.calls();
  const filter = guest.plugin.createHttpFilter();
  filter.attach(recording);
  filter.decodeHeaders(new HeaderMap("request", [[":path", "/real"]]), true);
  filter.encodeHeaders(new HeaderMap("response", [[":status", "200"]]), true);
  return { guest, callbacks: recording, lines };
}

describe("set_property", () => {
  it("stores filter state that is read by its name, row 60", () => {
    const { lines } = inStream([
      set("foo", "bar"),
      property("foo"),
      property("foo/"),
      property("foo/x"),
      property("wasm.foo"),
      property("filter_state/wasm.foo"),
      property("filter_state/foo"),
      set("a/b", "v"),
      property("a/b"),
      set("request/path", "zz"),
      property("request/path"),
      set("empty", ""),
      property("empty"),

      set("plugin_name", "x"),
      property("plugin_name"),
      property("filter_state/wasm.plugin_name"),
      set("node", "n"),
      property("node"),
    ]);
    expect(lines().map((line) => line.replace(/^.*\) = /u, ""))).toEqual([
      "0",
      "0, bar",
      "0, bar",
      "1",
      "1",
      "0, bar",
      "1",
      "0",
      "1",
      "0",
      "0, /real",
      "0",
      "0, nothing",
      "0",
      "0, p",
      "0, x",
      "0",
      "0, n",
    ]);
  });

  it("finds no place on a root context, and checks its memory first", () => {
    const guest = runGuest({
      callbacks: {
        proxy_on_configure: [
          set("foo", "x"),
          call("proxy_set_property", -1, 2, "x"),
          call("proxy_set_property", "x", -1, 2),
          call("proxy_get_property", -1, 2, OUT, OUT),
          call("proxy_get_property", "none", -1, -1),
          call("proxy_get_property", "plugin_name", -1, OUT),
        ],
      },
    });
    expect(guest.calls().map((line) => line.replace(/^.*\) = /u, ""))).toEqual(["1", "6", "6", "6", "1", "6"]);
  });

  it("reports properties of the request that are gone, rows 4 and 5, once each", () => {
    const response = {
      proxy_on_response_headers: [property("request/path"), property("request/path"), property("request/time")],
    };
    const { guest, lines } = inStream([property("request/path")], response);
    expect(lines()).toEqual([
      "get_property(request.path) = 0, /real",
      "get_property(request.path) = 1",
      "get_property(request.path) = 1",
      expect.stringContaining("get_property(request.time) = 0"),
    ]);
    expect(guest.environment.reports.map(({ code, severity }) => `${code} ${severity}`)).toEqual([
      "request-map-gone warning",
    ]);
  });
});

describe("foreign functions", () => {
  it("unknown leave the result alone, others write it, row 71", () => {
    const zero = (functions: ForeignFunctions): string[] =>
      inStream(
        [foreign("nope", "x"), foreign("fails"), foreign("twice", "ab"), foreign("silent")],
        {},
        functions,
      ).lines();
    expect(
      zero(
        new Map<string, ForeignFunction>([
          ["fails", () => Status.badArgument],
          ["twice", (given) => Uint8Array.of(...given, ...given)],
          ["silent", () => new Uint8Array(0)],
        ]),
      ),
    ).toEqual([
      "foreign(nope, x) = 1",
      "foreign(fails, ) = 2",
      "foreign(twice, ab) = 0, abab",
      "foreign(silent, ) = 0, nothing",
    ]);
  });

  it("that fail write an empty result, and unknown ones nothing", () => {
    const length = call("proxy_grpc_cancel", { at: OUT + 4 });
    const functions = new Map<string, ForeignFunction>([
      ["long", () => new Uint8Array(13)],
      ["fails", () => Status.badArgument],
    ]);
    const calls = [foreign("long"), length, foreign("nope"), length, foreign("fails"), length];
    const lengths = inStream(calls, {}, functions)
      .lines()
      .filter((line) => line.startsWith("grpc"));
    expect(lengths).toEqual(["grpc_cancel(13) = 1", "grpc_cancel(13) = 1", "grpc_cancel(0) = 2"]);
  });

  it("take results nobody wants, and refuse places out of bounds", () => {
    const { lines } = inStream(
      [
        call("proxy_call_foreign_function", "twice", "ab", 0, 0),
        call("proxy_call_foreign_function", "twice", "ab", -4, OUT),
        call("proxy_call_foreign_function", "twice", "ab", OUT, -4),
        call("proxy_call_foreign_function", -1, 4, "ab", OUT, OUT),
        call("proxy_call_foreign_function", "nope", -1, 4, OUT, OUT),
      ],
      {},
      new Map([["twice", (given) => Uint8Array.of(...given, ...given)]]),
    );
    expect(lines().map((line) => line.replace(/^.*\) = /u, "").replace(/,.*$/u, ""))).toEqual([
      "0",
      "6",
      "6",
      "6",
      "6",
    ]);
  });

  it("clear the route cache", () => {
    expect(inStream([foreign("clear_route_cache", "x")]).callbacks.acts).toEqual(["clearRouteCache"]);
  });

  it("set Envoy's filter state where it has an object for it", () => {
    const address = "envoy.network.transport_socket.original_dst_address";
    const { lines, callbacks } = inStream([
      foreign("set_envoy_filter_state", "zz"),
      filterState("nope", "x"),
      filterState("envoy.tcp_proxy.cluster", "abc"),
      property("filter_state/envoy.tcp_proxy.cluster"),
      filterState("envoy.upstream.dynamic_port", "abc"),
      filterState("envoy.upstream.dynamic_port", "80"),
      filterState(address, "80"),
      filterState(address, "1.2.3.4:5"),
      property(`filter_state/${address}/ip`),
      property(`filter_state/${address}/port`),
      filterState("envoy.network.application_protocols", "h2"),
      property("filter_state/envoy.network.application_protocols"),
      filterState("envoy.tcp_proxy.disable_tunneling", "maybe"),
      property("filter_state/envoy.tcp_proxy.disable_tunneling"),
      filterState("envoy.network.ip", "::1"),
      filterState("envoy.network.ip", "1.2.3.4:5"),
      filterState("envoy.network.ip", "1::2::3"),
      filterState("envoy.network.ip", "::ffff:1.2.3.4"),
      filterState("envoy.network.ip", "1:2:3:4:5:6:7"),
    ]);
    expect(lines().map((line) => line.replace(/^.*\) = /u, "").replace(", nothing", ""))).toEqual([
      "2",
      "1",
      "0",
      "0, abc",
      "2",
      "0",
      "2",
      "0",
      "0, 1.2.3.4",
      "0, 5",
      "0",
      "1",
      "0",
      "0, false",
      "0",
      "2",
      "2",
      "0",
      "2",
    ]);
    expect(callbacks.info.filterState.size).toBe(6);
  });

  it("find no stream on a root", () => {
    const calls = [
      filterState("envoy.tcp_proxy.cluster", "abc"),
      filterState("nope", "x"),
      foreign("clear_route_cache"),
    ];
    const guest = runGuest({ callbacks: { proxy_on_configure: calls } });
    expect(guest.calls().map((line) => line.replace(/^.*\) = /u, "").slice(0, 1))).toEqual(["1", "1", "0"]);
  });

  it("declare properties once, for streams when a root does", () => {
    const { lines } = inStream(
      [
        set("ddd", "one"),
        set("ddd", "two"),
        property("ddd"),
        declare("eee"),
        set("eee", "one"),
        set("eee", "two"),
        set("free", "a"),
        set("free", "b"),
      ],
      { proxy_on_configure: [declare("ddd"), declare("ddd"), foreign("declare_property", Uint8Array.of(10, 255))] },
    );
    expect(lines().map((line) => line.replace(/^.*\) = /u, "").replace(", nothing", ""))).toEqual([
      "0",
      "2",
      "0, one",
      "0",
      "0",
      "0",
      "0",
      "0",
    ]);
  });

  it("that need expressions are not found, and reported", () => {
    const { lines, guest } = inStream([foreign("expr_create", "request.path")]);
    expect(lines()).toEqual(["foreign(expr_create, request.path) = 1"]);
    expect(guest.environment.reports.map(({ code }) => code)).toEqual(["unsupported-call"]);
  });
});

describe("foreign functions of Node, as Envoy 1.40 answers", () => {
  const functions = nodeForeignFunctions();
  const run = (name: string, argument: Uint8Array): Uint8Array | Status =>
    functions.get(name)?.(argument) ?? Status.notFound;
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const privatePem = String(privateKey.export({ format: "pem", type: "pkcs8" }));
  const privateDer = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
  const publicPem = String(publicKey.export({ format: "pem", type: "spki" }));
  const publicDer = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
  const signature = new Uint8Array(sign("sha256", text("text"), privateKey));

  it("compress as zlib does, and back", () => {
    const packed = run("compress", text("hellohellohello"));
    expect(packed).toEqual(
      Uint8Array.of(0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xcf, 0x80, 0x13, 0, 0x31, 0xb0, 0x06, 0x3d),
    );
    expect(run("uncompress", packed as Uint8Array)).toEqual(text("hellohellohello"));
    expect(run("compress", text(""))).toEqual(Uint8Array.of(0x78, 0x9c, 3, 0, 0, 0, 0, 1));
    expect([run("uncompress", text("xx")), run("uncompress", text(""))]).toEqual([3, 3]);
  });

  it("uncompress gives 64 MiB at most, however little says more", () => {
    const [most, more] = [0, 1].map((extra) => deflateSync(new Uint8Array(64 * 1024 * 1024 + extra)));
    expect(run("uncompress", most ?? text(""))).toHaveLength(64 * 1024 * 1024);
    expect(run("uncompress", more ?? text(""))).toBe(3);
  });

  it("verify signatures", () => {
    const verify = (fields: Parameters<typeof writeProto>[0]): Uint8Array | Status =>
      run("verify_signature", writeProto(fields));
    const right = writeProto([[1, true]]);
    const wrong = writeProto([[2, "Failed to verify digest. Error code: 0"]]);
    expect(
      verify([
        [1, "sha256"],
        [5, publicPem],
        [3, signature],
        [4, "text"],
      ]),
    ).toEqual(right);
    expect(
      verify([
        [1, "SHA256"],
        [2, publicDer],
        [3, signature],
        [4, "text"],
      ]),
    ).toEqual(right);
    expect(
      verify([
        [1, "sha256"],
        [2, publicDer],
        [3, signature],
        [4, "other"],
      ]),
    ).toEqual(wrong);
    expect(
      verify([
        [1, "sha256"],
        [2, publicDer],
        [3, "junk"],
        [4, "text"],
      ]),
    ).toEqual(wrong);
    expect(
      verify([
        [1, "md5"],
        [2, "garbage"],
        [4, "text"],
      ]),
    ).toEqual(writeProto([[2, "md5 is not supported."]]));
    expect(
      verify([
        [1, "sha256"],
        [2, "garbage"],
        [4, "text"],
      ]),
    ).toEqual(writeProto([[2, "Failed to initialize digest verify."]]));
    expect(
      verify([
        [1, "sha256"],
        [2, publicDer],
        [5, publicPem],
      ]),
    ).toBe(Status.badArgument);
    expect([verify([[1, "sha256"]]), run("verify_signature", text("zz"))]).toEqual([2, 2]);
  });

  it("sign", () => {
    const signed = (fields: Parameters<typeof writeProto>[0]): Uint8Array | Status => run("sign", writeProto(fields));
    for (const key of [
      [4, privatePem],
      [2, privateDer],
    ] as const) {
      const result = signed([[1, "sha256"], key, [3, "text"]]);
      if (typeof result === "number") throw new Error(`status ${result}`);
      const made = result.slice(4);
      const checked = run(
        "verify_signature",
        writeProto([
          [1, "sha256"],
          [2, publicDer],
          [3, made],
          [4, "text"],
        ]),
      );
      expect(checked).toEqual(writeProto([[1, true]]));
    }
    expect(
      signed([
        [1, "md5"],
        [2, "garbage"],
        [3, "text"],
      ]),
    ).toEqual(writeProto([[3, "md5 is not supported."]]));
    const invalid = writeProto([[3, "Invalid key type: private key required for signing operation."]]);
    expect(
      signed([
        [1, "sha256"],
        [2, "garbage"],
        [3, "text"],
      ]),
    ).toEqual(invalid);
    expect(
      signed([
        [1, "sha256"],
        [4, publicPem],
        [3, "text"],
      ]),
    ).toEqual(invalid);
    expect([
      signed([]),
      signed([
        [4, privatePem],
        [2, privateDer],
      ]),
      run("sign", text("zz")),
    ]).toEqual([2, 2, 2]);
  });
});
