/** A member written byte by byte, whatever nonsense it says. */
export interface RawMember {
  readonly name: string;
  /** Type flag, one character; `0` when absent. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  /** The size the header claims; that of the content when absent. */
  readonly claimed?: number;
  readonly link?: string;
  /** Kind of header: POSIX, GNU's, or that of the seventh edition. */
  readonly magic?: "ustar" | "gnu" | "v7";
}

const BLOCK = 512;
const MAGIC = { ustar: "ustar\u000000", gnu: "ustar  \u0000", v7: "\u0000".repeat(8) } as const;

/** An archive of such members, and the two blocks of zeros at its end. */
export function rawTar(members: readonly RawMember[], end: Uint8Array = Buffer.alloc(2 * BLOCK)): Buffer {
  return Buffer.concat([...members.map(rawMember), end]);
}

/** The header, the content and its padding. */
function rawMember(member: RawMember): Buffer {
  const content = Buffer.from(member.content ?? "");
  const padding = Buffer.alloc((BLOCK - (content.byteLength % BLOCK)) % BLOCK);
  return Buffer.concat([rawHeader(member, content.byteLength), content, padding]);
}

/** A pax header (type `x`) with these records, for the member that follows. */
export function paxMember(records: Readonly<Record<string, string>>): RawMember {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length) {
      length = String(length).length + Buffer.byteLength(rest);
    }
    return `${length}${rest}`;
  });
  return { name: "PaxHeaders/x", type: "x", content: lines.join("") };
}

/** A GNU long name (type `L`) for the member that follows. */
export function longNameMember(name: string): RawMember {
  return { name: "././@LongLink", type: "L", content: `${name}\u0000`, magic: "gnu" };
}

function rawHeader(member: RawMember, length: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, type = "0", claimed = length, link = "", magic = "ustar" } = member;
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write("0000644\u0000", 100, "latin1");
  block.write("0000000\u0000", 108, "latin1");
  block.write("0000000\u0000", 116, "latin1");
  writeSize(block, claimed);
  block.write("00000000000\u0000", 136, "latin1");
  block.write(" ".repeat(8), 148, "latin1");
  block.write(type, 156, 1, "latin1");
  Buffer.from(link).copy(block, 157, 0, 100);
  block.write(MAGIC[magic], 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}

/** Octal digits, or GNU's base 256 where those do not do. */
function writeSize(block: Buffer, size: number): void {
  if (size < 8 ** 11) {
    block.write(`${size.toString(8).padStart(11, "0")}\u0000`, 124, "latin1");
    return;
  }
  block.writeUInt8(0x80, 124);
  block.writeBigUInt64BE(BigInt(size), 128);
}
