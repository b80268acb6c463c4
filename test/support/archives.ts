import { Header } from "tar";

/** A member of a made archive; content of links and folders is empty. */
export interface Member {
  readonly name: string;
  /** Type flag: `0` file, `2` symbolic link, `5` folder, `x` pax header, `L` GNU long name. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly link?: string;
}

/** Makes a tar archive, headers written by an encoder that is not the one under test. */
export function tarOf(members: readonly Member[], options: { readonly end?: boolean } = {}): Buffer {
  const blocks = members.flatMap(({ name, type = "0", content = "", link = "" }) => {
    const body = Buffer.from(content);
    const header = Buffer.alloc(512);
    const fields = { path: name, mode: 0o644, size: body.byteLength, linkpath: link, mtime: new Date(1e12) };
    new Header({ ...fields, type: TYPES[type] ?? "File" }).encode(header);
    return [header, body, Buffer.alloc((512 - (body.byteLength % 512)) % 512)];
  });
  return Buffer.concat([...blocks, ...(options.end === false ? [] : [Buffer.alloc(1024)])]);
}

/** The bytes in chunks of `size`. */
export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

/** A whole stream in memory. */
export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const TYPES: Readonly<
  Record<string, "File" | "SymbolicLink" | "Directory" | "ExtendedHeader" | "NextFileHasLongPath">
> = {
  "0": "File",
  "2": "SymbolicLink",
  "5": "Directory",
  x: "ExtendedHeader",
  L: "NextFileHasLongPath",
};
