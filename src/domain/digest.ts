import type { Hash } from "node:crypto";
import { WasmeError } from "./errors.ts";

/** A content digest `sha256:<64 hex>` or `sha512:<128 hex>` (OCI image spec, descriptor.md "Digests"). */
export type Digest = string & { readonly __brand: "Digest" };

/** The hash algorithms we accept; others are refused before any path or URL is made of them. */
export type DigestAlgorithm = "sha256" | "sha512";

const PATTERN = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/u;

/** True when `text` is a digest in canonical form (lower-case hex, known algorithm). */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** Checks `text` and brands it. Throws `DIGEST_INVALID`. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new WasmeError("failed", "DIGEST_INVALID", `not a digest: ${JSON.stringify(text.slice(0, 160))}`, {
    hint: "a digest is sha256: followed by 64 lower-case hex digits",
  });
}

/** The sha256 digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${newHash("sha256").update(bytes).digest("hex")}` as Digest;
}

/** The algorithm and hex part of a digest. */
export function digestParts(digest: Digest): { readonly algorithm: DigestAlgorithm; readonly hex: string } {
  const colon = digest.indexOf(":");
  return { algorithm: digest.slice(0, colon) as DigestAlgorithm, hex: digest.slice(colon + 1) };
}

/** The first eight hex digits, as tables show them. */
export function shortDigest(digest: Digest): string {
  return digestParts(digest).hex.slice(0, 8);
}

/** A hash fed chunk by chunk; `digest()` ends it. */
export interface DigestStream {
  update(chunk: Uint8Array): void;
  digest(): Digest;
}

/** Starts hashing with the algorithm of `like`, `sha256` when none is given. */
export function startDigest(like?: Digest): DigestStream {
  const algorithm = like === undefined ? "sha256" : digestParts(like).algorithm;
  const hash = newHash(algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => `${algorithm}:${hash.digest("hex")}` as Digest,
  };
}

/** Loads Node's cryptography with the first hash: it takes 5 ms, and most commands that know references hash nothing. */
function newHash(algorithm: DigestAlgorithm): Hash {
  return process.getBuiltinModule("node:crypto").createHash(algorithm);
}
