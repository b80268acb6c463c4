#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/** Decodes base64 with or without padding; nothing when it is none. */
inline std::optional<std::string> decodeBase64(std::string_view text) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t size = text.find_last_not_of('=') + 1;
  if (size % 4 == 1 || text.size() - size > 2) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0;
  for (size_t at = 0; at < size; ++at) {
    const size_t digit = digits.find(text[at]);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    // After the second digit of four there are 8 bits or more to take.
    if (at % 4 != 0) bytes.push_back(static_cast<char>(bits >> (6 - 2 * (at % 4))));
  }
  return bytes;
}
