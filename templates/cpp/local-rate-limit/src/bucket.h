#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "proxy-wasm.h"

/** How a bucket fills. */
struct Limit {
  uint64_t maxTokens = 1;
  uint64_t tokensPerFill = 1;
  /** Nanoseconds. */
  uint64_t fillInterval = 1;
};

/** What lies in the shared data: 16 bytes, both numbers with the lowest byte first. */
struct Bucket {
  uint64_t tokens;
  /** When it was filled last, in nanoseconds since 1970. */
  uint64_t filled;
};

/**
 * Takes a token from a bucket in the shared data.
 *
 * @returns 0 when there was one, else after how many nanoseconds the next one comes.
 */
inline uint64_t takeToken(std::string_view key, const Limit &limit) {
  // Each failed try means that another thread took a token at the same time.
  for (int tries = 0; tries < 32; ++tries) {
    const uint64_t now = proxy_wasm::currentTimeNanoseconds();
    const std::optional<proxy_wasm::SharedData> stored = proxy_wasm::getSharedData(key);
    Bucket bucket{limit.maxTokens, now};
    if (stored && stored->value.size() == sizeof bucket) {
      std::memcpy(&bucket, stored->value.data(), sizeof bucket);
      // A clock that was set back must not stop the bucket for as long.
      const bool setBack = bucket.filled > now;
      if (setBack) bucket.filled = now;
      const uint64_t fills = (now - bucket.filled) / limit.fillInterval;
      bucket.tokens = std::min(bucket.tokens, limit.maxTokens);
      // Compared before it is multiplied: a bucket that nobody used for years must not overflow.
      const bool full = fills >= limit.maxTokens;
      bucket.tokens = full ? limit.maxTokens : std::min(bucket.tokens + fills * limit.tokensPerFill, limit.maxTokens);
      bucket.filled += fills * limit.fillInterval;
      if (bucket.tokens == 0 && !setBack) return bucket.filled + limit.fillInterval - now;
    }
    const bool taken = bucket.tokens > 0;
    if (taken) --bucket.tokens;
    const std::string_view bytes(reinterpret_cast<const char *>(&bucket), sizeof bucket);
    const proxy_wasm::Status status = proxy_wasm::setSharedData(key, bytes, stored ? stored->cas : 0);
    if (status == proxy_wasm::Status::Ok) return taken ? 0 : limit.fillInterval;
  }
  return limit.fillInterval;
}

/** FNV-1a, 32 bit: spreads the values of a header over the buckets. */
inline uint32_t hashOf(std::string_view bytes) {
  uint32_t hash = 0x811c9dc5;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x01000193;
  return hash;
}
