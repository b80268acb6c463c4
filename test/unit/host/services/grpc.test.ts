import { describe, expect, it } from "vitest";
import type { CalloutPort, GrpcCallout, GrpcHandle } from "../../../../src/host/callout.ts";
import { latin1, latin1Bytes } from "../../../../src/host/guest-memory.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { encodePairs } from "../../../../src/host/pairs-codec.ts";
import { call, type GuestCall, OUT } from "../../../support/guest-program.ts";
import { runGuest, type RunningGuest } from "./guest.ts";

const metadata = encodePairs(["X-Meta", "1"]);

function unary(target: string | Uint8Array, timeoutMs = 300): GuestCall {
  return call("proxy_grpc_call", target, "pkg.Svc", "Unary", metadata, "msg", timeoutMs, OUT);
}

function stream(target: string | Uint8Array): GuestCall {
  return call("proxy_grpc_stream", target, "pkg.Svc", "Echo", metadata, OUT);
}

/** A `GrpcService` with the cluster as its `envoy_grpc`. */
function message(cluster: string): Uint8Array {
  return Uint8Array.of(0x0a, cluster.length + 2, 0x0a, cluster.length, ...latin1Bytes(cluster));
}

const status = call("proxy_get_status", OUT, OUT + 4, OUT + 8);

const callbacks = {
  proxy_on_grpc_receive_initial_metadata: [call("proxy_get_header_map_pairs", 4, OUT, OUT + 4)],
  proxy_on_grpc_receive: [call("proxy_get_buffer_bytes", 5, 0, 99, OUT, OUT + 4)],
  proxy_on_grpc_receive_trailing_metadata: [call("proxy_get_header_map_pairs", 5, OUT, OUT + 4)],
  proxy_on_grpc_close: [status],
};

class Port implements CalloutPort {
  readonly calls: GrpcCallout[] = [];
  readonly acts: string[] = [];

  http(): "unknown-cluster" {
    return "unknown-cluster";
  }

  grpc(callout: GrpcCallout): GrpcHandle | "unknown-cluster" | "no-endpoint" {
    if (callout.cluster.startsWith("nobody")) return "unknown-cluster";
    if (callout.cluster === "grpcempty") return "no-endpoint";
    this.calls.push(callout);
    const { token } = callout;
    return {
      send: (bytes, end) => void this.acts.push(`${token} send ${latin1(bytes)}${end ? " end" : ""}`),
      close: () => void this.acts.push(`${token} close`),
      cancel: () => void this.acts.push(`${token} cancel`),
    };
  }

  call(at = -1): GrpcCallout {
    const callout = this.calls.at(at);
    if (callout === undefined) throw new Error("nothing was called");
    return callout;
  }
}

type GrpcGuest = RunningGuest & { readonly port: Port; readonly statuses: () => string[] };

function start(calls: readonly GuestCall[], more: Readonly<Record<string, readonly GuestCall[]>> = {}): GrpcGuest {
  const port = new Port();
  const guest = runGuest({ callbacks: { proxy_on_configure: calls, ...callbacks, ...more } }, { callouts: port });
  return Object.assign(guest, { port, statuses: () => guest.calls().map((line) => line.replace(/^.*\) = /u, "")) });
}

const none = new HeaderMap("trailers");

describe("gRPC callouts", () => {
  it("count calls from 5 and streams from 6, in steps of 4, rows 52 and 53", () => {
    const guest = start([unary("up"), stream("up"), unary(message("up")), stream("up"), unary("nobody"), unary("up")]);
    expect(guest.statuses()).toEqual(["0, 5", "0, 6", "0, 9", "0, 10", "4", "0, 13"]);
    expect(guest.port.calls.map(({ cluster }) => cluster)).toEqual(["up", "up", "up", "up", "up"]);
  });

  it("ask for the method with the headers Envoy sends", () => {
    const { port } = start([unary("up", 1000), stream(message("other"))]);
    const [first, second] = port.calls;
    expect([...(first?.initialMetadata ?? [])]).toEqual([
      [":method", "POST"],
      [":path", "/pkg.Svc/Unary"],
      [":authority", "up"],
      [":scheme", "http"],
      ["te", "trailers"],
      ["grpc-timeout", "1000m"],
      ["content-type", "application/grpc"],
      ["x-meta", "1"],
      ["x-envoy-internal", "true"],
      ["x-envoy-expected-rq-timeout-ms", "1000"],
    ]);
    expect([latin1(first?.unary?.message ?? (none.flat as never)), second?.unary]).toEqual(["msg", undefined]);
    expect([second?.initialMetadata.get(":authority"), second?.initialMetadata.has("grpc-timeout")]).toEqual([
      "other",
      false,
    ]);
  });

  it("of one message tell the message alone, or the failure alone, row 54", () => {
    const guest = start([unary("up"), unary("up"), unary("up"), unary("up")]);
    guest.all();
    const [fine, failed, empty, bare] = guest.port.calls;
    for (const callout of guest.port.calls) callout.initialMetadataReceived(none);
    fine?.received(latin1Bytes("one"));
    fine?.received(latin1Bytes("two"));
    fine?.trailingMetadataReceived(none);
    fine?.closed(0, "fine");
    failed?.closed(3, "bye");
    empty?.closed(0, "");
    bare?.closed(2, "");
    expect(guest.all()).toEqual([
      "> on_grpc_receive(1, 5, 3)",
      "get_buffer_bytes(gRPC message, 0, 99) = 0, two",
      "> on_grpc_close(1, 9, 3)",
      "get_status() = 0, 3, bye{via_upstream}",
      "> on_grpc_close(1, 13, 13)",
      "get_status() = 0, 13, ",
      "> on_grpc_close(1, 17, 2)",
      "get_status() = 0, 2, via_upstream",
    ]);
    fine?.closed(0, "again");
    expect(guest.all()).toEqual([]);
  });

  it("of a stream tell everything, and the code of a failure stays, row 55", () => {
    const receive = [...callbacks.proxy_on_grpc_receive, status];
    const guest = start([unary("up"), stream("up")], { proxy_on_grpc_receive: receive });
    guest.all();
    const [failed, fine] = guest.port.calls;
    failed?.closed(14, "gone");
    guest.all();
    fine?.initialMetadataReceived(new HeaderMap("response", [[":status", "200"]]));
    fine?.received(latin1Bytes("one"));
    fine?.trailingMetadataReceived(new HeaderMap("trailers", [["grpc-status", "0"]]));
    fine?.closed(0, "");
    expect(guest.all()).toEqual([
      "> on_grpc_receive_initial_metadata(1, 6, 1)",
      "get_header_map_pairs(gRPC initial metadata) = 0, :status: 200",
      "> on_grpc_receive(1, 6, 3)",
      "get_buffer_bytes(gRPC message, 0, 99) = 0, one",
      "get_status() = 0, 14, ",
      "> on_grpc_receive_trailing_metadata(1, 6, 1)",
      "get_header_map_pairs(gRPC trailing metadata) = 0, grpc-status: 0",
      "> on_grpc_close(1, 6, 0)",
      "get_status() = 0, 0, via_upstream",
    ]);
  });

  it("are sent to, closed and cancelled by their tokens", () => {
    const send = (token: number, end = 0): GuestCall => call("proxy_grpc_send", token, "x", end);
    const close = (token: number): GuestCall => call("proxy_grpc_close", token);
    const cancel = (token: number): GuestCall => call("proxy_grpc_cancel", token);
    const guest = start([
      unary("up"),
      stream("up"),
      send(6),
      send(6, 1),
      send(5),
      send(4),
      send(10),
      close(6),
      cancel(6),
      cancel(6),
      close(6),
      close(5),
      close(5),
      cancel(9),
      cancel(4),
      close(7),
      call("proxy_grpc_send", 6, -1, 3, 0),
    ]);
    const given = ["0, 5", "0, 6", "0", "0", "2", "2", "1", "0", "0", "1", "1", "0", "1", "1", "2", "2", "6"];
    expect(guest.statuses()).toEqual(given);
    expect(guest.port.acts).toEqual(["6 send x", "6 send x end", "6 close", "6 cancel", "5 cancel"]);
    guest.port.call().closed(0, "");
    guest.port.call(0).closed(0, "");
    expect(guest.all()).toEqual([]);
  });

  it("that have ended stay until the guest closes its side", () => {
    const after = [call("proxy_grpc_send", 6, "x", 0), call("proxy_grpc_close", 6), call("proxy_grpc_close", 6)];
    const guest = start([stream("up")], { proxy_on_grpc_close: after });
    guest.all();
    guest.port.call().closed(3, "");
    expect(guest.statuses()).toEqual(["0", "0", "1"]);
    expect(guest.port.acts).toEqual([]);
  });

  it("that the guest has closed are over with the upstream's end", () => {
    const guest = start([stream("up"), call("proxy_grpc_close", 6)], {
      proxy_on_tick: [call("proxy_grpc_send", 6, "x", 0)],
    });
    guest.port.call().closed(0, "");
    guest.all();
    guest.plugin.tick();
    expect(guest.statuses()).toEqual(["1"]);
  });

  it("without an endpoint fail at once, and tell of it while the guest is still in the call", () => {
    const guest = start([
      stream("grpcempty"),
      unary("grpcempty"),
      unary(message("nobody")),
      stream(message("nobody")),
      unary("up"),
    ]);
    const text = "no healthy upstream";
    expect(guest.all().slice(1)).toEqual([
      "> on_grpc_receive_initial_metadata(1, 6, 0)",
      "get_header_map_pairs(gRPC initial metadata) = 0, nothing",
      "> on_grpc_receive_trailing_metadata(1, 6, 4)",
      `get_header_map_pairs(gRPC trailing metadata) = 0, :status: 200; content-type: application/grpc; grpc-status: 14; grpc-message: ${text}`,
      expect.stringMatching(/^grpc_stream\(grpcempty.* = 10$/u),
      expect.stringMatching(/^grpc_call\(grpcempty.* = 10$/u),
      expect.stringMatching(/^grpc_call\(.*nobody.* = 10$/u),
      expect.stringMatching(/^grpc_stream\(.*nobody.* = 10$/u),
      expect.stringMatching(/^grpc_call\(up.* = 0, 13$/u),
      "> on_grpc_close(1, 6, 14)",
      `get_status() = 0, 14, ${text}{no_healthy_upstream}`,
      "> on_grpc_close(1, 5, 14)",
      `get_status() = 0, 14, ${text}{no_healthy_upstream}`,
      "> on_grpc_close(1, 9, 14)",
      "get_status() = 0, 14, Cluster not available",
      "> on_grpc_close(1, 10, 14)",
      "get_status() = 0, 14, Cluster not available",
    ]);
  });

  it("started again whenever they fail to do not keep the host from its turn", () => {
    const again = [stream("grpcempty"), unary("grpcempty")];
    const guest = start(again, { proxy_on_grpc_receive_initial_metadata: again, proxy_on_grpc_close: again });
    expect(guest.all().filter((line) => line.startsWith("> on_grpc_close"))).toHaveLength(2);
    expect(guest.host.settle()).toBeGreaterThan(100);
    expect(guest.host.nextDue()).toBe(guest.environment.clock.at);
    guest.host.stop();
  });

  it("that fail tell what Envoy makes of it", () => {
    const guest = start([unary("up"), stream("up"), stream("up")]);
    guest.all();
    const [one, refused, cut] = guest.port.calls;
    one?.fail("timeout");
    refused?.fail("refused");
    cut?.initialMetadataReceived(none);
    cut?.fail("reset");
    const text = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    expect(guest.all()).toEqual([
      "> on_grpc_close(1, 5, 14)",
      "get_status() = 0, 14, upstream request timeout{response_timeout}",
      "> on_grpc_receive_initial_metadata(1, 6, 0)",
      "get_header_map_pairs(gRPC initial metadata) = 0, nothing",
      "> on_grpc_receive_trailing_metadata(1, 6, 4)",
      `get_header_map_pairs(gRPC trailing metadata) = 0, :status: 200; content-type: application/grpc; grpc-status: 14; grpc-message: ${text}`,
      "> on_grpc_close(1, 6, 14)",
      expect.stringContaining(
        `get_status() = 0, 14, ${text}{upstream_reset_before_response_started{remote_connection_failure|`,
      ),
      "> on_grpc_receive_initial_metadata(1, 10, 0)",
      "get_header_map_pairs(gRPC initial metadata) = 0, nothing",
      "> on_grpc_receive_trailing_metadata(1, 10, 0)",
      "get_header_map_pairs(gRPC trailing metadata) = 0, nothing",
      "> on_grpc_close(1, 10, 13)",
      "get_status() = 0, 13, upstream_reset_after_response_started{connection_termination}",
    ]);
  });

  it("with a message that names nobody are refused and reported, where Envoy crashes", () => {
    const guest = start([unary(Uint8Array.of(0x1a, 0)), unary(""), unary("empty")]);
    // The five letters of "empty" are a message too: one unknown number of 32 bits.
    expect(guest.statuses()).toEqual(["2", "2", "2"]);
    expect(guest.environment.reports.map(({ code, severity }) => `${code} ${severity}`)).toEqual([
      "grpc-without-target fault",
      "grpc-without-target fault",
      "grpc-without-target fault",
    ]);
  });

  it("are given up with the guest", () => {
    const guest = start([unary("up"), stream("up")]);
    guest.host.stop();
    expect(guest.port.acts).toEqual(["5 cancel", "6 cancel"]);
  });

  it("whose guest does not listen to the end leave the status alone", () => {
    const port = new Port();
    const guest = runGuest(
      { callbacks: { proxy_on_configure: [unary("up")], proxy_on_tick: [status] } },
      { callouts: port },
    );
    port.call().closed(7, "no");
    guest.calls();
    guest.plugin.tick();
    expect(guest.calls()).toEqual(["get_status() = 0, 0, "]);
  });
});
