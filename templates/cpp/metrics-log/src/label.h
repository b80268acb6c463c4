#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "configuration.h"
#include "proxy-wasm.h"

/** Whether a text has lower-case letters, digits and `others`, and nothing else; with `capitals`, those too. */
inline bool hasOnly(std::string_view text, std::string_view others, bool capitals) {
  for (const char byte : text) {
    const bool isLetter = (byte >= 'a' && byte <= 'z') || (capitals && byte >= 'A' && byte <= 'Z');
    if (!isLetter && !(byte >= '0' && byte <= '9') && others.find(byte) == std::string_view::npos) return false;
  }
  return !text.empty() && text.size() <= 64;
}

/** A part of a metric's name that begins with a letter. */
inline bool isStatName(std::string_view text) { return hasOnly(text, "_", false) && text[0] >= 'a'; }

/** The beginning of the metrics' names: parts with dots between them. */
inline bool isStatPrefix(std::string_view text) {
  if (text.size() > 64 || !isStatName(text.substr(0, text.find('.')))) return false;
  while (true) {
    const size_t dot = text.find('.');
    if (!hasOnly(text.substr(0, dot), "_", false)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/** The counters `<prefix>.requests.2xx` and so on. Each one is made in the proxy when it is first counted. */
class StatusCounters {
 public:
  explicit StatusCounters(std::string_view prefix) {
    for (const std::string_view name : {"none", "1xx", "2xx", "3xx", "4xx", "5xx"}) {
      counters_.emplace_back(proxy_wasm::concat(prefix, ".requests.", name));
    }
  }

  /** @param status 0 for a request without an answer. */
  void count(int64_t status) {
    const size_t statusClass = static_cast<size_t>(status / 100);
    counters_[statusClass < counters_.size() ? statusClass : 0].increment();
  }

 private:
  std::vector<proxy_wasm::Counter> counters_;
};

/** Counts requests by the value of a header. */
class Label {
 public:
  Label(ConfigurationObject &configuration, std::string_view statPrefix) {
    const std::string name = configuration.text("name");
    if (!isStatName(name)) configuration.refuse("name", "must be of a-z, 0-9 and _, and begin with a letter");
    header_ = configuration.text("header");
    if (header_.empty()) configuration.refuse("header", "is empty");
    values_ = configuration.texts("values", 1);
    const std::string prefix = proxy_wasm::concat(statPrefix, ".", name, ".");
    for (const std::string &value : values_) {
      if (!hasOnly(value, "_-", true)) configuration.refuse("values", "must be of a-z, A-Z, 0-9, _ and -");
      counters_.emplace_back(prefix + value);
    }
    counters_.emplace_back(prefix + "other");
    counters_.emplace_back(prefix + "none");
  }

  void count(const proxy_wasm::HeaderMap &request, int64_t status) {
    const std::optional<std::string> value = request.get(header_);
    size_t at = 0;
    while (value && at < values_.size() && values_[at] != *value) ++at;
    counters_[value ? at : values_.size() + 1].count(status);
  }

 private:
  std::string header_;
  std::vector<std::string> values_;
  /** Those of the values, then of `other` and of `none`. */
  std::vector<StatusCounters> counters_;
};
