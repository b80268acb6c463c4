/** Delays for keys that are tried again: the longer one of an exponential per key and a bucket for all. */
export interface RateLimits {
  /** Milliseconds to wait before this key's next try; counts it. */
  delayOf(key: string): number;
  /** The key did well: its next delay is the shortest again. */
  forget(key: string): void;
}

/** Numbers of {@link createRateLimits}. */
export interface RateLimitOptions {
  /** Milliseconds before a key's first retry; doubled with each. 5. */
  readonly baseMs?: number;
  /** The longest wait of one key. 1,000,000: about 17 minutes. */
  readonly maxMs?: number;
  /** Retries of all keys together, a second. 10. */
  readonly perSecond?: number;
  /** Retries that may come at once before that counts. 100. */
  readonly burst?: number;
}

/** The limits of client-go's work queue; `elapsed` gives milliseconds of a steady clock. */
export function createRateLimits(elapsed: () => number, options: RateLimitOptions = {}): RateLimits {
  const { baseMs = 5, maxMs = 1_000_000, perSecond = 10, burst = 100 } = options;
  const tries = new Map<string, number>();
  const bucket = createBucket(elapsed, { perSecond, burst });
  return {
    delayOf: (key) => {
      const before = tries.get(key) ?? 0;
      tries.set(key, before + 1);
      // Above 2^40 the product is past every limit: the exponent must not grow to infinity.
      const own = Math.min(baseMs * 2 ** Math.min(before, 40), maxMs);
      return Math.max(own, bucket.reserve());
    },
    forget: (key) => void tries.delete(key),
  };
}

/** Tokens that grow back with time. */
export interface Bucket {
  /** Takes a token, also one that is not there yet; milliseconds until it is. */
  reserve(): number;
  /** Takes a token only when there is one. */
  tryTake(): boolean;
}

/** A full bucket of `burst` tokens. */
export function createBucket(
  elapsed: () => number,
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
): Bucket {
  let tokens = burst;
  let at = elapsed();
  const fill = (): void => {
    const now = elapsed();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    at = now;
  };
  return {
    reserve: () => {
      fill();
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
    },
    tryTake: () => {
      fill();
      // Sums of fractions miss a whole token by a hair.
      if (tokens < 1 - 1e-9) return false;
      tokens -= 1;
      return true;
    },
  };
}
