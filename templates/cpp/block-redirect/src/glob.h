#pragma once

#include <string_view>

/**
 * Whether a text as a whole is as a pattern says: a `*` stands for any text, also none; everything else for itself.
 * Only the last `*` is ever tried again, so that no pattern takes longer than the lengths multiplied.
 */
inline bool matchesGlob(std::string_view pattern, std::string_view text) {
  size_t at = 0;
  size_t star = std::string_view::npos;
  size_t retry = 0;
  for (size_t seen = 0; seen < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      retry = seen;
    } else if (at < pattern.size() && pattern[at] == text[seen]) {
      ++at;
      ++seen;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      seen = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}
