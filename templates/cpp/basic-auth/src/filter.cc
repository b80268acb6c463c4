#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "configuration.h"
#include "proxy-wasm.h"
#include "rule.h"

using namespace proxy_wasm;

/** The rules of a configured filter. */
class Rules : public RootContext {
 public:
  bool onConfigure() override {
    Configuration configuration(this->configuration());
    rules_.clear();
    for (ConfigurationObject *rule : configuration.objects("basic_auth_rules", 1)) rules_.emplace_back(*rule);
    challenge_ = "Basic realm=\"";
    for (const char byte : configuration.text("realm", "istio")) {
      if (static_cast<unsigned char>(byte) < 32 || byte == 127) configuration.refuse("realm", "must not have line breaks");
      if (byte == '"' || byte == '\\') challenge_.push_back('\\');
      challenge_.push_back(byte);
    }
    challenge_.push_back('"');
    return configuration.accepted();
  }

  const std::vector<Rule> &rules() const { return rules_; }
  const std::string &challenge() const { return challenge_; }

 private:
  std::vector<Rule> rules_;
  std::string challenge_;
};

/** What follows the word Basic; nothing when the header is not there or speaks of something else. */
static std::optional<std::string> basicToken(const std::optional<std::string> &authorization) {
  if (!authorization || toLower(authorization->substr(0, 5)) != "basic") return std::nullopt;
  if (authorization->size() > 5 && (*authorization)[5] != ' ') return std::nullopt;
  const size_t start = authorization->find_first_not_of(" \t", 5);
  if (start == std::string::npos) return "";
  return authorization->substr(start, authorization->find_last_not_of(" \t") + 1 - start);
}

/** Asks for a user name and a password (RFC 7617) where a rule says so. */
class BasicAuth : public StreamContextOf<Rules> {
 public:
  HeadersAction onRequestHeaders(bool /*endOfStream*/) override {
    const HeaderMap headers = requestHeaders();
    const std::string method = headers.get(":method").value_or("");
    const std::string authority = headers.get(":authority").value_or("");
    const std::string path = headers.get(":path").value_or("");
    for (const Rule &rule : root().rules()) {
      if (!rule.matches(method, authority, path)) continue;
      const std::optional<std::string> token = basicToken(headers.get("authorization"));
      if (!token) return refuse("user name and password needed\n");
      const std::optional<std::string> credentials = decodeBase64(*token);
      if (!credentials || !rule.accepts(*credentials)) return refuse("wrong user name or password\n");
    }
    return HeadersAction::Continue;
  }

 private:
  HeadersAction refuse(std::string_view body) {
    sendLocalReply(401, body, {{"www-authenticate", root().challenge()}}, -1, "basic_auth");
    return HeadersAction::Pause;
  }
};

PROXY_WASM_FILTER("basic_auth", BasicAuth)
