import { usageError } from "../domain/errors.ts";

/** Everything a stream gives, as text. Throws `INPUT_TOO_LARGE` (usage) beyond `limit` bytes. */
export async function readAll(stream: NodeJS.ReadableStream, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > limit) throw usageError("INPUT_TOO_LARGE", `stdin holds more than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
