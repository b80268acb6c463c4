#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy-wasm.h"

/** One line of compact JSON: an object. */
class JsonLine {
 public:
  void add(std::string_view name, int64_t number) {
    begin(name);
    line_.append(proxy_wasm::concat(number));
  }

  /** @param text What is no UTF-8 in it becomes U+FFFD. Nothing is written as null. */
  void add(std::string_view name, const std::optional<std::string> &text) {
    begin(name);
    if (!text) {
      line_.append("null");
      return;
    }
    line_.push_back('"');
    size_t end = text->size();
    if (end > MOST_BYTES) {
      end = MOST_BYTES;
      // Bytes 10xxxxxx are within a character.
      while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xc0) == 0x80) --end;
    }
    quote(std::string_view(*text).substr(0, end));
    if (end < text->size()) line_.append("...");
    line_.push_back('"');
  }

  std::string finish() const { return line_ + "}"; }

 private:
  /** Longer texts are cut after so many bytes of UTF-8. */
  static constexpr size_t MOST_BYTES = 512;

  void begin(std::string_view name) {
    line_.append(line_.empty() ? "{\"" : ",\"");
    quote(name);
    line_.append("\":");
  }

  void quote(std::string_view text) {
    while (!text.empty()) {
      const unsigned char byte = static_cast<unsigned char>(text[0]);
      const size_t size = byte < 0x80 ? 1 : characterSize(text);
      if (size == 0) line_.append("\xef\xbf\xbd");
      else if (byte < 32 || byte == '"' || byte == '\\') escape(byte);
      else line_.append(text.substr(0, size));
      text.remove_prefix(size == 0 ? 1 : size);
    }
  }

  void escape(unsigned char byte) {
    static constexpr std::string_view shorts = "\"\\\n\r\t";
    static constexpr std::string_view letters = "\"\\nrt";
    const size_t found = shorts.find(static_cast<char>(byte));
    line_.push_back('\\');
    if (found != std::string_view::npos) {
      line_.push_back(letters[found]);
      return;
    }
    static constexpr std::string_view digits = "0123456789abcdef";
    line_.append("u00");
    line_.push_back(digits[byte >> 4]);
    line_.push_back(digits[byte & 15]);
  }

  /** Bytes of the character of UTF-8, beyond ASCII, that a text begins with; 0 when it is none. */
  static size_t characterSize(std::string_view text) {
    const auto at = [text](size_t index) { return static_cast<unsigned char>(text[index]); };
    const size_t size = at(0) >= 0xf0 ? 4 : at(0) >= 0xe0 ? 3 : 2;
    if (at(0) < 0xc2 || at(0) > 0xf4 || text.size() < size) return 0;
    for (size_t index = 1; index < size; ++index) {
      if ((at(index) & 0xc0) != 0x80) return 0;
    }
    // Longer than needed, half of a pair, beyond the last character.
    const bool wrong = (at(0) == 0xe0 && at(1) < 0xa0) || (at(0) == 0xed && at(1) > 0x9f) ||
                       (at(0) == 0xf0 && at(1) < 0x90) || (at(0) == 0xf4 && at(1) > 0x8f);
    return wrong ? 0 : size;
  }

  std::string line_;
};
