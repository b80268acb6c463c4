#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "configuration.h"
#include "glob.h"
#include "hosts.h"
#include "proxy-wasm.h"
#include "redirect.h"

/** One of `rules`: conditions, all of which must hold, and what to do then. */
class Rule {
 public:
  explicit Rule(ConfigurationObject &configuration) {
    readPath(configuration);
    readHosts(configuration);
    if (configuration.has("sources")) sources_ = configuration.texts("sources", 1);
    if (ConfigurationObject *header = configuration.object("header")) readHeader(*header);
    if (ConfigurationObject *block = configuration.object("block")) {
      blockStatus = static_cast<uint32_t>(block->wholeNumber("status", 200, 599, 403));
      blockBody = block->text("body", "blocked\n");
    }
    if (ConfigurationObject *to = configuration.object("redirect")) redirect.emplace(*to);
    if (configuration.has("block") == configuration.has("redirect")) {
      configuration.refuse("block", "or redirect must be there, and not both");
    }
  }

  /** Nothing for a block. */
  std::optional<Redirect> redirect;
  uint32_t blockStatus = 0;
  std::string blockBody;

  bool matches(const proxy_wasm::HeaderMap &headers, std::string_view authority, std::string_view path) const {
    return matchesPath(withoutQuery(path)) && matchesHost(hosts_, authority) && matchesHeader(headers) &&
           matchesSource();
  }

  /** What a redirect keeps of the path. */
  std::string_view restOf(std::string_view path) const {
    const std::string_view plain = withoutQuery(path);
    return kind_ == "prefix" ? plain.substr(path_.size()) : plain;
  }

 private:
  void readPath(ConfigurationObject &configuration) {
    for (const std::string_view kind : {"exact", "prefix", "glob"}) {
      if (!configuration.has(kind)) continue;
      if (!kind_.empty()) configuration.refuse(kind, proxy_wasm::concat("and ", kind_, " exclude each other"));
      kind_ = kind;
      path_ = configuration.text(kind);
      if (path_.empty() || path_.find_first_of("?#") != std::string::npos) {
        configuration.refuse(kind, "must be text without a query");
      }
    }
  }

  void readHosts(ConfigurationObject &configuration) {
    if (!configuration.has("hosts")) return;
    for (const std::string &host : configuration.texts("hosts", 1)) {
      if (!isHostPattern(host)) configuration.refuse("hosts", "may have one * at the beginning or the end of a host");
      else hosts_.push_back(toLower(host));
    }
  }

  void readHeader(ConfigurationObject &header) {
    header_ = header.text("name");
    if (header_.empty()) header.refuse("name", "is empty");
    if (header.has("value")) headerValue_ = header.text("value");
  }

  bool matchesPath(std::string_view path) const {
    if (kind_ == "exact") return path == path_;
    if (kind_ == "prefix") return startsWith(path, path_);
    return kind_.empty() || matchesGlob(path_, path);
  }

  bool matchesHeader(const proxy_wasm::HeaderMap &headers) const {
    if (header_.empty()) return true;
    const std::optional<std::string> value = headers.get(header_);
    return value && (!headerValue_ || value == headerValue_);
  }

  bool matchesSource() const {
    if (sources_.empty()) return true;
    const std::string property = proxy_wasm::getProperty("source.address").value_or("");
    std::string_view address = withoutPort(property);
    if (startsWith(address, "[")) address = address.substr(1, address.size() - 2);
    for (const std::string &source : sources_) {
      const bool isBeginning = endsWith(source, ".") || endsWith(source, ":");
      if (isBeginning ? startsWith(address, source) : address == source) return true;
    }
    return false;
  }

  /** How `path_` is compared: `exact`, `prefix`, `glob`, or empty for every path. */
  std::string_view kind_;
  std::string path_;
  std::vector<std::string> hosts_;
  std::string header_;
  std::optional<std::string> headerValue_;
  std::vector<std::string> sources_;
};
