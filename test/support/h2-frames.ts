import { connect, type Socket } from "node:net";

/** What an HTTP/2 client says first: the preface and empty settings (RFC 9113, 3.4). */
const H2_HELLO: Buffer = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4)]);

/** `GET /` of `x`, by the static table and without compression (RFC 7541). */
export const GET_ROOT: Uint8Array = Uint8Array.of(0x82, 0x86, 0x84, 0x41, 1, 0x78);

/** A frame (RFC 9113, 4.1), whether it makes sense or not. */
export function frame(
  type: number,
  { flags = 0, stream = 0, payload = new Uint8Array() }: { flags?: number; stream?: number; payload?: Uint8Array } = {},
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header field as a literal that is not indexed. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** A string without Huffman code: at most 16,510 bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  const rest = bytes.length - 0x7f;
  if (rest < 0) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = rest < 0x80 ? [0x7f, rest] : [0x7f, (rest & 0x7f) | 0x80, rest >>> 7];
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** What became of a flood. */
export interface Flood {
  /** Bytes the other side took before it closed, stalled, or had everything. */
  readonly sent: number;
  readonly end: "sent" | "closed" | "stalled";
}

/**
 * Sends pieces as fast as they are taken; `reads` says whether what comes back is read. The connection stays open for
 * `meanwhile`, and is destroyed after it.
 */
export async function flood(
  port: number,
  pieces: Iterable<Buffer>,
  { reads, meanwhile }: { readonly reads: boolean; readonly meanwhile?: () => Promise<void> },
): Promise<Flood> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  if (reads) socket.resume();
  let [sent, end]: [number, Flood["end"]] = [0, "sent"];
  try {
    for (const piece of [H2_HELLO, ...batches(pieces)]) {
      if (socket.destroyed) end = "closed";
      else if (!socket.write(piece)) end = await drained(socket);
      if (end !== "sent") break;
      sent += piece.length;
    }
    await meanwhile?.();
    return { sent, end };
  } finally {
    socket.destroy();
  }
}

/** Whether there is room again. A server that reads no more, because nobody reads its answers, does right. */
async function drained(socket: Socket): Promise<Flood["end"]> {
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve("stalled"), STALLED_MS);
    const settle = (end: Flood["end"]) => (): void => {
      clearTimeout(timer);
      resolve(end);
    };
    socket.once("drain", settle("sent")).once("close", settle("closed"));
  });
}

function* batches(pieces: Iterable<Buffer>): Generator<Buffer> {
  let batch: Buffer[] = [];
  for (const piece of pieces) {
    batch.push(piece);
    if (batch.length < 500) continue;
    yield Buffer.concat(batch);
    batch = [];
  }
  yield Buffer.concat(batch);
}

const STALLED_MS = 2000;
