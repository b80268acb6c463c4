import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readGrpcService } from "../../../../src/host/grpc-service.ts";
import { latin1Bytes } from "../../../../src/host/guest-memory.ts";
import { protoBytes, protoNumber, protoString, readProto, writeProto } from "../../../../src/host/proto.ts";

describe("protobuf messages", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        (text, bytes, flag) => {
          const fields =
            readProto(
              writeProto([
                [1, text],
                [20, bytes],
                [3, flag],
              ]),
            ) ?? [];
          expect([protoString(fields, 1), protoBytes(fields, 20), protoNumber(fields, 3)]).toEqual([
            text,
            bytes,
            flag ? 1n : 0n,
          ]);
        },
      ),
    );
  });

  it.each([
    ["field number 0", [0, 0]],
    ["a number that ends too early", [8, 0x80]],
    ["a number of eleven bytes", [8, ...Array.from({ length: 10 }, () => 0xff), 1]],
    ["text that ends too early", [10, 2, 65]],
    ["eight bytes that are seven", [9, 1, 2, 3, 4, 5, 6, 7]],
    ["wire type 6", [14, 0]],
    ["the end of a group that did not begin", [12]],
    ["a group that does not end", [11, 8, 1]],
    ["a group that ends as another", [11, 20]],
  ])("with %s are none", (_what, bytes) => {
    expect(readProto(Uint8Array.from(bytes))).toBeUndefined();
  });

  it("may have groups, which are skipped, and the last of several values counts", () => {
    const fields = readProto(Uint8Array.of(11, 8, 9, 12, 8, 1, 8, 2, 13 + 8, 1, 0, 0, 0)) ?? [];
    expect([protoNumber(fields, 1), protoNumber(fields, 2)]).toEqual([2n, 1n]);
    expect(protoString(readProto(Uint8Array.of(10, 1, 0xff)) ?? [], 1)).toBeUndefined();
  });
});

describe("the target of a gRPC call", () => {
  it("is a message, or else the name of a cluster", () => {
    const inner = writeProto([
      [1, "up"],
      [2, "authority"],
    ]);
    const header = writeProto([
      [1, "k"],
      [2, "v"],
    ]);
    const given = readGrpcService(
      writeProto([
        [1, inner],
        [5, header],
      ]),
    );
    expect(given).toEqual({ cluster: "up", authority: "authority", metadata: ["k", "v"], byName: false });
    expect(readGrpcService(latin1Bytes("grpc_cluster"))).toMatchObject({ cluster: "grpc_cluster", byName: true });
    expect(readGrpcService(writeProto([[1, Uint8Array.of(0x0a, 9)]]))).toMatchObject({ byName: true });
    expect(readGrpcService(new Uint8Array(0))).toBeUndefined();
  });
});
