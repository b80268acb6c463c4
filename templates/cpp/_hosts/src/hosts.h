#pragma once

#include <string>
#include <string_view>
#include <vector>

inline bool startsWith(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

inline bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

inline std::string toLower(std::string_view text) {
  std::string lower(text);
  for (char &byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte | 32);
  }
  return lower;
}

/** Whether a configured host is one: a name, or with one `*` at its beginning or end. */
inline bool isHostPattern(std::string_view pattern) {
  const size_t star = pattern.find('*');
  if (pattern.empty() || star == std::string_view::npos) return !pattern.empty();
  return star == pattern.rfind('*') && (star == 0 || star == pattern.size() - 1);
}

/** A host without `:8080`; an address of IPv6 (`[::1]:8080`) keeps its own colons. */
inline std::string_view withoutPort(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool isPort = colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
  return isPort ? authority.substr(0, colon) : authority;
}

/** A `:path` without its query: what rules are about. */
inline std::string_view withoutQuery(std::string_view path) { return path.substr(0, path.find('?')); }

/**
 * Whether a request's `:authority` is one of the hosts; without any hosts it always is. The port and the case do not
 * matter, and a `*` at the beginning or the end stands for any text.
 *
 * @param patterns In lower case.
 */
inline bool matchesHost(const std::vector<std::string> &patterns, std::string_view authority) {
  if (patterns.empty()) return true;
  const std::string host = toLower(withoutPort(authority));
  for (const std::string_view pattern : patterns) {
    if (pattern.front() == '*' ? endsWith(host, pattern.substr(1))
        : pattern.back() == '*' ? startsWith(host, pattern.substr(0, pattern.size() - 1))
                                : host == pattern) {
      return true;
    }
  }
  return false;
}
