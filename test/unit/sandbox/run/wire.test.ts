import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { InputReader, InputWriter } from "../../../../src/sandbox/run/input-wire.ts";
import {
  type Connection,
  type CoreInput,
  type CoreOutput,
  FromCore,
  ToCore,
} from "../../../../src/sandbox/run/messages.ts";
import { OutputWriter, readOutput } from "../../../../src/sandbox/run/output-wire.ts";

const id = fc.oneof(fc.nat(300), fc.nat(0xff_ff_ff_ff));
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.nat(600).map((length) => "\u00ff".repeat(length)),
);
const name = fc.oneof(fc.constantFrom(":path", "content-type", "x-request-id", "x-own", ""), text);
const headers = fc.array(fc.tuple(name, text), { maxLength: 8 }).map((pairs) => pairs.flat());
const piece = fc
  .oneof(fc.nat(300), fc.constantFrom(16_384, 16_385, 40_000))
  .chain((length) => fc.nat(255).map((byte) => new Uint8Array(length).fill(byte)));
const connection = (of: number): Connection => ({
  id: of,
  source: { address: `10.0.0.1:${of}`, port: of },
  destination: { address: "10.0.0.2:80", port: 80 },
});
// As the listener has it: the same object for all requests of a connection. Some share a place (1024 apart).
const connections = [1, 2, 1025, 2049, 70_000].map((of) => connection(of));

const input: fc.Arbitrary<CoreInput> = fc.oneof(
  fc.tuple(fc.constant(ToCore.request), id, headers, fc.boolean(), fc.constantFrom(...connections), text),
  fc.tuple(fc.constantFrom(ToCore.requestData, ToCore.responseData), id, piece, fc.boolean()),
  fc.tuple(fc.constantFrom(ToCore.requestTrailers, ToCore.responseTrailers), id, headers),
  fc.tuple(fc.constant(ToCore.clientGone), id),
  fc.tuple(fc.constant(ToCore.response), id, headers, fc.boolean()),
  fc.tuple(fc.constant(ToCore.upstreamReset), id, fc.constantFrom("reset" as const, "timeout" as const)),
  fc.tuple(fc.constant(ToCore.grpcMessage), id, piece),
  fc.tuple(fc.constant(ToCore.grpcClosed), id, fc.nat(16), text),
);

const endShape = {
  code: fc.option(fc.integer({ min: 1, max: 999 }), { nil: undefined }),
  details: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  flags: fc.nat(2 ** 29),
  pausedIn: fc.option(fc.array(text, { minLength: 1, maxLength: 3 }), { nil: undefined }),
};
const end = fc.record(endShape, { noNullPrototype: true });

const output: fc.Arbitrary<CoreOutput> = fc.oneof(
  fc.tuple(fc.constantFrom(FromCore.request, FromCore.response), id, headers, fc.boolean()),
  fc.tuple(fc.constantFrom(FromCore.requestData, FromCore.responseData), id, piece, fc.boolean()),
  fc.tuple(fc.constantFrom(FromCore.requestTrailers, FromCore.responseTrailers), id, headers),
  fc.tuple(fc.constant(FromCore.upstreamReset), id),
  fc.tuple(fc.constant(FromCore.clientReset), id, text),
  fc.tuple(fc.constantFrom(FromCore.pauseUpstream, FromCore.pauseClient), id, fc.boolean()),
  fc.tuple(fc.constant(FromCore.ended), id, end),
  fc.tuple(fc.constantFrom(FromCore.cancelCallout, FromCore.grpcClose), id),
  fc.tuple(fc.constant(FromCore.grpcSend), id, piece, fc.boolean()),
);

/** As `toEqual`, which takes seconds for the bytes. */
function expectSame(got: readonly unknown[], wanted: readonly unknown[]): void {
  expect(isDeepStrictEqual(got, wanted) ? wanted : got).toEqual(wanted);
}

test("messages to the exchanges arrive as they were, however they are cut into batches", () => {
  fc.assert(
    fc.property(fc.array(fc.array(input, { maxLength: 12 }), { maxLength: 4 }), (batches) => {
      const writer = new InputWriter();
      const reader = new InputReader();
      for (const messages of batches) {
        for (const message of messages) writer.add(message);
        const { batch, transfer } = writer.take();
        const got: CoreInput[] = [];
        reader.read(structuredClone(batch), (message) => got.push(message));
        expectSame(got, messages);
        expect(new Set(transfer).size).toBe(transfer.length);
      }
    }),
  );
});

test("messages from the exchanges arrive as they were", () => {
  fc.assert(
    fc.property(fc.array(output, { maxLength: 20 }), (messages) => {
      const writer = new OutputWriter();
      expect(writer.empty).toBe(true);
      for (const message of messages) writer.add(message);
      expect(writer.empty).toBe(messages.length === 0);
      const got: CoreOutput[] = [];
      readOutput(structuredClone(writer.take().batch), (message) => got.push(message));
      expectSame(got, messages);
      expect(writer.empty).toBe(true);
    }),
  );
});

test("a connection is described once, and again when another one took its place", () => {
  const writer = new InputWriter();
  const described = (of: Connection | undefined): number => {
    if (of === undefined) throw new Error("no connection");
    writer.add([ToCore.request, 0, [], true, of, "HTTP/1.1"]);
    return writer.take().batch.extra.length;
  };
  const [one, two, sameAsOne] = connections;
  expect([one, one, two, one, sameAsOne, one, two].map((each) => described(each))).toEqual([1, 0, 1, 0, 1, 1, 0]);
});

test("common headers make a batch of less than twice their values", () => {
  const writer = new OutputWriter();
  const flat = [":status", "200", "content-type", "text/plain", "content-length", "48", "server", "x"];
  writer.add([FromCore.response, 1, flat, false]);
  expect(writer.take().batch.text.length).toBeLessThan(2 * flat.filter((_, at) => at % 2 === 1).join("").length);
});
