import { expect, test } from "vitest";
import { CoreLink } from "../../../../src/sandbox/run/core-link.ts";
import { InputReader } from "../../../../src/sandbox/run/input-wire.ts";
import { type CoreInput, type CoreOutput, FromCore, ToCore } from "../../../../src/sandbox/run/messages.ts";
import { OutputWriter } from "../../../../src/sandbox/run/output-wire.ts";
import type { WireBatch } from "../../../../src/sandbox/run/wire-batch.ts";

const none = (): void => undefined;

interface Linked {
  readonly link: CoreLink;
  readonly posted: readonly CoreInput[][];
  readonly told: readonly unknown[];
  readonly receive: (messages: readonly CoreOutput[]) => void;
}

/** A link whose streams say what they are told; `posted` are the messages of each batch. */
function linked(): Linked {
  const posted: CoreInput[][] = [];
  const told: unknown[] = [];
  const reader = new InputReader();
  const post = (batch: WireBatch): void => {
    const messages: CoreInput[] = [];
    reader.read(structuredClone(batch), (message) => messages.push(message));
    posted.push(messages);
  };
  const services = { callout: none, cancelCallout: none, grpcOpen: none, grpcSend: none, grpcClose: none };
  const link = new CoreLink(post, { ...services, grpcCancel: none, log: none, report: none });
  for (const name of ["a", "b"]) {
    link.open({
      command: (message) => told.push([name, message[0]]),
      piece: (to, bytes, end) => told.push([name, to, Buffer.from(bytes).toString(), end]),
      ended: () => told.push([name, "ended"]),
      abandon: none,
    });
  }
  return {
    link,
    posted,
    told,
    receive: (messages) => {
      const writer = new OutputWriter();
      for (const message of messages) writer.add(message);
      link.receive({ wire: structuredClone(writer.take().batch), taken: 0 });
    },
  };
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await new Promise((resolve) => setImmediate(resolve));
}

test("messages of turns that follow each other travel together, and those after a turn without any by themselves", async () => {
  const { link, posted } = linked();
  for (let id = 0; id < 3; id += 1) {
    link.send([ToCore.clientGone, id]);
    await turns(1);
  }
  expect(posted).toEqual([]);
  await turns(4);
  expect(posted).toEqual([[0, 1, 2].map((id) => [ToCore.clientGone, id])]);
  link.send([ToCore.clientGone, 3]);
  await turns(4);
  expect(posted.slice(1)).toEqual([[[ToCore.clientGone, 3]]]);
});

test("a line that is never silent is served all the same", async () => {
  const { link, posted } = linked();
  for (let id = 0; id < 40; id += 1) {
    link.send([ToCore.clientGone, id]);
    await turns(1);
  }
  expect(posted.length).toBeGreaterThan(3);
  await turns(8);
  expect(posted.flat().map(([, id]) => id)).toEqual(Array.from({ length: 40 }, (_, id) => id));
});

test("the end of a body that comes alone goes out with the piece before it, and only with that", () => {
  const { told, receive } = linked();
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const [piece, toUpstream] = [FromCore.responseData, FromCore.requestData];
  receive([
    [piece, 0, bytes("one"), false],
    [piece, 0, bytes("two"), false],
    [piece, 0, bytes(""), true],
    [piece, 1, bytes("three"), false],
    [toUpstream, 1, bytes(""), true],
  ]);
  const before = [
    ["a", "client", "one", false],
    ["a", "client", "two", true],
    ["b", "client", "three", false],
    ["b", "upstream", "", true],
  ];
  expect(told).toEqual(before);
  // A piece is not kept for the next batch, and nothing overtakes it.
  receive([[piece, 1, bytes("four"), false]]);
  expect(told.slice(before.length)).toEqual([["b", "client", "four", false]]);
  receive([
    [piece, 1, bytes("five"), false],
    [FromCore.clientReset, 1, "why"],
    [piece, 0, bytes(""), true],
  ]);
  expect(told.slice(before.length)).toEqual([
    ["b", "client", "four", false],
    ["b", "client", "five", false],
    ["b", FromCore.clientReset],
    ["a", "client", "", true],
  ]);
});
