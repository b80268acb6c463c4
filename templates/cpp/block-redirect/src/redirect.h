#pragma once

#include <string>
#include <string_view>

#include "configuration.h"
#include "hosts.h"

/** Sends the client to another place. */
class Redirect {
 public:
  explicit Redirect(ConfigurationObject &configuration)
      : to_(configuration.text("to")),
        status_(static_cast<uint32_t>(configuration.wholeNumber("status", 301, 308, 302))),
        keepPath_(configuration.flag("keep_path", false)),
        keepQuery_(configuration.flag("keep_query", true)) {
    if (!isPlace(to_)) configuration.refuse("to", "must be a path, or an address with http:// or https://");
    if (status_ > 303 && status_ < 307) configuration.refuse("status", "must be 301, 302, 303, 307 or 308");
    if (keepPath_ && to_.find('?') != std::string::npos) {
      configuration.refuse("keep_path", "does not go with a query in to");
    }
  }

  uint32_t status() const { return status_; }

  /**
   * @param rest What is to be kept of the path.
   * @param query Without the `?`; empty for none.
   */
  std::string location(std::string_view rest, std::string_view query) const {
    std::string location = to_;
    // One slash between them, whatever they begin and end with: `//` at the beginning of a location, or text right
    // behind the name of a host, would lead to somebody else's host.
    const size_t start = keepPath_ ? rest.find_first_not_of("/\\") : std::string_view::npos;
    if (start != std::string_view::npos) {
      if (location.back() != '/') location.push_back('/');
      location.append(rest.substr(start));
    }
    if (keepQuery_ && !query.empty()) {
      location.push_back(location.find('?') == std::string::npos ? '?' : '&');
      location.append(query);
    }
    return location;
  }

 private:
  static bool isPlace(std::string_view text) {
    for (const char byte : text) {
      if (byte < '!' || byte > '~' || byte == '#') return false;
    }
    if (startsWith(text, "/")) return text.size() == 1 || (text[1] != '/' && text[1] != '\\');
    const size_t host = startsWith(text, "https://") ? 8 : startsWith(text, "http://") ? 7 : text.size();
    return host < text.size() && beginsHost(text[host]);
  }

  static bool beginsHost(char byte) {
    const char lower = static_cast<char>(byte | 32);
    return (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z') || byte == '[';
  }

  std::string to_;
  uint32_t status_;
  bool keepPath_;
  bool keepQuery_;
};
