/*
 * Reads JSON (RFC 8259) without exceptions and without the C library's number parsing, which would be bigger than the
 * rest of a filter.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy-wasm.h"

namespace json {

enum class Kind { Null, Bool, Number, Text, List, Object };

/** A value that was read. What does not belong to its kind is empty. */
struct Value {
  Kind kind = Kind::Null;
  /** `Bool`. */
  bool flag = false;
  /** `Number`; exact for whole numbers up to 2^53. */
  double number = 0;
  /** `Text`, as UTF-8. */
  std::string text;
  /** `Object`: the names of its values, in the order in which they are written. */
  std::vector<std::string> names;
  /** `List` and `Object`. */
  std::vector<Value> values;

  /** The value of that name, the last one if there are several; null if there is none or this is no object. */
  const Value *get(std::string_view name) const {
    for (size_t at = names.size(); at > 0; --at) {
      if (names[at - 1] == name) return &values[at - 1];
    }
    return nullptr;
  }
};

/** Lists and objects may lie so deep within each other: what comes from outside must not exhaust the stack. */
inline constexpr int MAX_DEPTH = 32;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /** The whole text as a value; nothing if it is not JSON: `problem()` says why and where. */
  std::optional<Value> read() {
    Value value;
    if (readValue(value, 0) && next() != END) fail("text behind the end");
    if (!problem_.empty()) return std::nullopt;
    return value;
  }

  const std::string &problem() const { return problem_; }

 private:
  static constexpr int END = -1;

  /** The next byte, which is not taken yet. */
  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : END; }

  /** The next byte that is no blank. */
  int next() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
    return peek();
  }

  bool take(int byte) {
    if (peek() != byte) return false;
    ++at_;
    return true;
  }

  bool fail(std::string_view problem) {
    if (problem_.empty()) problem_ = proxy_wasm::concat(problem, " at byte ", at_ + 1);
    return false;
  }

  bool readValue(Value &value, int depth) {
    const int byte = next();
    if ((byte == '{' || byte == '[') && depth == MAX_DEPTH) {
      return fail("too many lists and objects within each other");
    }
    if (byte == '{') return readObject(value, depth);
    if (byte == '[') return readList(value, depth);
    if (byte == '"') {
      value.kind = Kind::Text;
      return readText(value.text);
    }
    if (byte == '-' || isDigit(byte)) return readNumber(value);
    if (byte == 't') return readWord(value, "true", Kind::Bool);
    if (byte == 'f') return readWord(value, "false", Kind::Bool);
    if (byte == 'n') return readWord(value, "null", Kind::Null);
    return fail(byte == END ? "a value is missing" : "not a value");
  }

  bool readWord(Value &value, std::string_view word, Kind kind) {
    if (text_.substr(at_, word.size()) != word) return fail("not a value");
    at_ += word.size();
    value.kind = kind;
    value.flag = word == "true";
    return true;
  }

  bool readObject(Value &object, int depth) {
    object.kind = Kind::Object;
    ++at_;
    if (next() == '}') return take('}');
    do {
      if (next() != '"') return fail("a name in quotes is missing");
      if (!readText(object.names.emplace_back())) return false;
      next();
      if (!take(':')) return fail("a colon is missing");
      if (!readValue(object.values.emplace_back(), depth + 1)) return false;
      next();
    } while (take(','));
    return take('}') || fail("a comma or } is missing");
  }

  bool readList(Value &list, int depth) {
    list.kind = Kind::List;
    ++at_;
    if (next() == ']') return take(']');
    do {
      if (!readValue(list.values.emplace_back(), depth + 1)) return false;
      next();
    } while (take(','));
    return take(']') || fail("a comma or ] is missing");
  }

  bool readNumber(Value &value) {
    value.kind = Kind::Number;
    const bool negative = take('-');
    double number = 0;
    int exponent = 0;
    if (!take('0') && !readDigits(number)) return fail("not a number");
    if (take('.')) {
      const size_t start = at_;
      if (!readDigits(number)) return fail("not a number");
      exponent = -static_cast<int>(at_ - start);
    }
    if (take('e') || take('E')) {
      const bool below = take('-');
      if (!below) take('+');
      double power = 0;
      if (!readDigits(power)) return fail("not a number");
      // Beyond these a double is 0 or infinite anyway.
      const int limited = power > 400 ? 400 : static_cast<int>(power);
      exponent += below ? -limited : limited;
    }
    double scale = 1;
    for (int step = exponent < 0 ? -exponent : exponent; step > 0; --step) scale *= 10;
    number = exponent < 0 ? number / scale : number * scale;
    value.number = negative ? -number : number;
    return true;
  }

  /** One digit or more, behind those of the number so far. */
  bool readDigits(double &number) {
    if (!isDigit(peek())) return false;
    for (; isDigit(peek()); ++at_) number = number * 10 + (peek() - '0');
    return true;
  }

  bool readText(std::string &text) {
    ++at_;
    while (true) {
      const int byte = peek();
      if (byte < ' ') return fail(byte == END ? "a quote is missing" : "a control character in a text");
      ++at_;
      if (byte == '"') return true;
      if (byte != '\\') {
        text.push_back(static_cast<char>(byte));
      } else if (!readEscape(text)) {
        return fail("an escape that is not known");
      }
    }
  }

  bool readEscape(std::string &text) {
    static constexpr std::string_view escapes = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const int byte = peek();
    ++at_;
    if (byte == 'u') return readCodePoint(text);
    const size_t found = byte == END ? std::string_view::npos : escapes.find(static_cast<char>(byte));
    if (found == std::string_view::npos) return false;
    text.push_back(meanings[found]);
    return true;
  }

  /** `\uXXXX`, two of them for a character beyond U+FFFF; half a pair is no character, and becomes U+FFFD. */
  bool readCodePoint(std::string &text) {
    uint32_t code = 0;
    if (!readHex(code)) return false;
    if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      const size_t back = at_;
      uint32_t low = 0;
      at_ += 2;
      if (!readHex(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      else at_ = back;
    }
    appendUtf8(text, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return true;
  }

  bool readHex(uint32_t &code) {
    for (int count = 0; count < 4; ++count, ++at_) {
      const int byte = peek();
      const int lower = byte | 32;
      if (isDigit(byte)) code = code * 16 + static_cast<uint32_t>(byte - '0');
      else if (byte != END && lower >= 'a' && lower <= 'f') code = code * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      else return false;
    }
    return true;
  }

  static void appendUtf8(std::string &text, uint32_t code) {
    if (code < 0x80) {
      text.push_back(static_cast<char>(code));
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const uint32_t mark = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
    text.push_back(static_cast<char>(mark | (code >> (6 * more))));
    for (int rest = more - 1; rest >= 0; --rest) text.push_back(static_cast<char>(0x80 | ((code >> (6 * rest)) & 63)));
  }

  static bool isDigit(int byte) { return byte >= '0' && byte <= '9'; }

  std::string_view text_;
  size_t at_ = 0;
  std::string problem_;
};

}  // namespace json
