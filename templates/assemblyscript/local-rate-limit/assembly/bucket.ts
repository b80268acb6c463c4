import { currentTimeNanoseconds, getSharedData, setSharedData } from "./proxy-wasm";

/** So many tries when other threads write at the same time: each failed one means that another thread succeeded. */
const TRIES: i32 = 32;

/** How a bucket fills. */
export class Limit {
  maxTokens: u64 = 0;
  tokensPerFill: u64 = 0;
  /** Nanoseconds. */
  fillInterval: u64 = 0;
}

/**
 * Takes a token from a bucket in the shared data (see `filter.test.yaml` for its bytes).
 *
 * @returns 0 when there was one, else after how many nanoseconds the next one comes.
 */
export function takeToken(key: string, limit: Limit): u64 {
  for (let i = 0; i < TRIES; i++) {
    const now = currentTimeNanoseconds();
    const stored = getSharedData(key);
    let tokens = limit.maxTokens;
    let filled = now;
    if (stored && stored.bytes.byteLength == 16) {
      const address = changetype<usize>(stored.bytes);
      tokens = min(load<u64>(address), limit.maxTokens);
      filled = load<u64>(address, 8);
      // A clock that was set back must not stop the bucket for as long.
      const setBack = filled > now;
      if (setBack) filled = now;
      const fills = (now - filled) / limit.fillInterval;
      // Compared before it is multiplied: a bucket that nobody used for years must not overflow.
      tokens = fills >= limit.maxTokens ? limit.maxTokens : min(tokens + fills * limit.tokensPerFill, limit.maxTokens);
      filled += fills * limit.fillInterval;
      if (tokens == 0 && !setBack) return filled + limit.fillInterval - now;
    }
    const taken = tokens > 0;
    const cas = stored ? stored.cas : 0;
    if (setSharedData(key, encode(taken ? tokens - 1 : 0, filled), cas)) return taken ? 0 : limit.fillInterval;
  }
  return limit.fillInterval;
}

function encode(tokens: u64, filled: u64): ArrayBuffer {
  const bytes = new ArrayBuffer(16);
  store<u64>(changetype<usize>(bytes), tokens);
  store<u64>(changetype<usize>(bytes), filled, 8);
  return bytes;
}

/** FNV-1a, 32 bit: spreads the values of a header over the buckets. */
export function hash(bytes: ArrayBuffer): u32 {
  let hash: u32 = 0x811c9dc5;
  for (let i = 0; i < bytes.byteLength; i++) {
    hash = (hash ^ load<u8>(changetype<usize>(bytes) + i)) * 0x01000193;
  }
  return hash;
}
