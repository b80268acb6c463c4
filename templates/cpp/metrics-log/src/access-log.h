#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "configuration.h"
#include "json-line.h"
#include "proxy-wasm.h"

/** Which fields a line of the access log has, and how it is written. */
class AccessLog {
 public:
  AccessLog() = default;

  explicit AccessLog(ConfigurationObject &configuration)
      : fields_(configuration.texts("log_fields")), headers_(configuration.texts("log_headers")) {
    for (const std::string &field : fields_) {
      if (isField(field)) continue;
      configuration.refuse("log_fields", proxy_wasm::concat("has no \"", field, "\""));
    }
    for (std::string &header : headers_) {
      if (header.empty()) configuration.refuse("log_headers", "has an empty name");
      for (char &byte : header) {
        if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte | 32);
      }
    }
  }

  /** Whether lines are written at all. */
  bool isOn() const { return !fields_.empty() || !headers_.empty(); }

  std::string line(const proxy_wasm::HeaderMap &request, int64_t status, uint64_t milliseconds) const {
    JsonLine line;
    for (const std::string &field : fields_) {
      if (field == "status") line.add(field, status);
      else if (field == "duration_ms") line.add(field, static_cast<int64_t>(milliseconds));
      else line.add(field, textField(field, request));
    }
    for (const std::string &header : headers_) line.add(header, request.get(header));
    return line.finish();
  }

 private:
  static bool isField(std::string_view name) {
    for (const std::string_view known :
         {"method", "host", "path", "query", "status", "duration_ms", "request_id", "user_agent", "source_ip"}) {
      if (name == known) return true;
    }
    return false;
  }

  static std::optional<std::string> textField(std::string_view name, const proxy_wasm::HeaderMap &request) {
    if (name == "method") return request.get(":method");
    if (name == "host") return request.get(":authority");
    if (name == "request_id") return request.get("x-request-id");
    if (name == "user_agent") return request.get("user-agent");
    if (name == "source_ip") return sourceIp();
    return partOfPath(request.get(":path"), name == "query");
  }

  /** `:path` up to the `?`, or what follows it; nothing when there is none. */
  static std::optional<std::string> partOfPath(const std::optional<std::string> &path, bool query) {
    if (!path) return std::nullopt;
    const size_t mark = path->find('?');
    if (!query) return path->substr(0, mark);
    if (mark == std::string::npos) return std::nullopt;
    return path->substr(mark + 1);
  }

  /** The client's address without port and brackets. */
  static std::optional<std::string> sourceIp() {
    const std::optional<std::string> address = proxy_wasm::getProperty("source.address");
    if (!address) return std::nullopt;
    const size_t colon = address->rfind(':');
    const size_t bracket = address->rfind(']');
    const bool port = colon != std::string::npos && (bracket == std::string::npos || bracket < colon);
    const std::string ip = port ? address->substr(0, colon) : *address;
    return ip.size() > 1 && ip.front() == '[' ? ip.substr(1, ip.size() - 2) : ip;
  }

  std::vector<std::string> fields_;
  std::vector<std::string> headers_;
};
