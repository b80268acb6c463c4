#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base64.h"
#include "configuration.h"
#include "hosts.h"

/** One of `basic_auth_rules`: which requests it is about, and who gets in. */
class Rule {
 public:
  explicit Rule(ConfigurationObject &configuration) : methods_(configuration.texts("request_methods", 1)) {
    readPath(configuration);
    for (const std::string &host : configuration.texts("hosts")) {
      if (!isHostPattern(host)) configuration.refuse("hosts", "may have one * at the beginning or the end of a host");
      else hosts_.push_back(toLower(host));
    }
    for (const std::string &text : configuration.texts("credentials", 1)) {
      const bool plain = text.find(':') != std::string::npos;
      const std::optional<std::string> bytes = plain ? text : decodeBase64(text);
      // The message does not repeat them: it goes to a log.
      if (!bytes || bytes->find(':') == std::string::npos) {
        configuration.refuse(proxy_wasm::concat("credentials[", credentials_.size(), "]"),
                             "must be user:password, or base64 of that");
      }
      credentials_.push_back(bytes.value_or(""));
    }
  }

  /** Whether a request needs the credentials of this rule. */
  bool matches(std::string_view method, std::string_view authority, std::string_view path) const {
    for (const std::string &known : methods_) {
      if (known == method) return matchesPath(withoutQuery(path)) && matchesHost(hosts_, authority);
    }
    return false;
  }

  /** Whether these are credentials of the rule. Takes the same time whichever it is and wherever they differ. */
  bool accepts(std::string_view credentials) const {
    bool accepted = false;
    for (const std::string &known : credentials_) accepted |= equal(known, credentials);
    return accepted;
  }

 private:
  void readPath(ConfigurationObject &configuration) {
    for (const std::string_view kind : {"prefix", "exact", "suffix"}) {
      if (!configuration.has(kind)) continue;
      if (!kind_.empty()) configuration.refuse(kind, proxy_wasm::concat("and ", kind_, " exclude each other"));
      kind_ = kind;
      path_ = configuration.text(kind);
      if (path_.empty() || path_.find_first_of("?#") != std::string::npos) {
        configuration.refuse(kind, "must be text without a query");
      }
    }
    if (kind_.empty()) configuration.refuse("prefix", "is missing, or else exact or suffix");
  }

  bool matchesPath(std::string_view path) const {
    if (kind_ == "prefix") return startsWith(path, path_);
    return kind_ == "exact" ? path == path_ : endsWith(path, path_);
  }

  /** Compares all bytes, so that the time says nothing about how many are right. */
  static bool equal(std::string_view known, std::string_view given) {
    size_t difference = known.size() ^ given.size();
    for (size_t at = 0; at < given.size(); ++at) difference |= given[at] ^ (at < known.size() ? known[at] : 0);
    return difference == 0;
  }

  std::vector<std::string> methods_;
  std::vector<std::string> hosts_;
  /** How `path_` is compared: `prefix`, `exact`, `suffix`. */
  std::string_view kind_;
  std::string path_;
  /** `user:password`, not base64. A password need not be text. */
  std::vector<std::string> credentials_;
};
