import type { GoogleTest } from "./runner-schema.ts";

/**
 * Cuts a body as the test says: into `num_chunks` pieces, the last of which takes what is left over, or into pieces of
 * `chunk_size` bytes. Without a plan the body is one piece. Bytes are characters (latin1).
 *
 * @returns the pieces, at least one, or what is wrong with the plan
 */
export function chunkBody(body: string, test: GoogleTest): readonly string[] | { readonly problem: string } {
  const { numChunks, chunkSize } = test;
  if (numChunks !== undefined) {
    if (numChunks < 1) return { problem: `num_chunks is ${numChunks}: there has to be at least one piece` };
    const size = Math.floor(body.length / numChunks);
    if (size === 0) return { problem: `num_chunks is ${numChunks}, more than the ${body.length} bytes of the body` };
    return Array.from({ length: numChunks }, (_, i) =>
      i === numChunks - 1 ? body.slice(i * size) : body.slice(i * size, (i + 1) * size),
    );
  }
  if (chunkSize === undefined || BigInt(body.length) <= chunkSize) return [body];
  if (chunkSize < 1n) return { problem: `chunk_size is ${chunkSize}: a piece has to have at least one byte` };
  const size = Number(chunkSize);
  return Array.from({ length: Math.ceil(body.length / size) }, (_, i) => body.slice(i * size, (i + 1) * size));
}
