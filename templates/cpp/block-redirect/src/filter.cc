#include <string>
#include <string_view>
#include <vector>

#include "configuration.h"
#include "proxy-wasm.h"
#include "rule.h"

using namespace proxy_wasm;

static Counter blocked("block_redirect.blocked");
static Counter redirected("block_redirect.redirected");

/** The rules of a configured filter. */
class Rules : public RootContext {
 public:
  bool onConfigure() override {
    Configuration configuration(this->configuration());
    rules_.clear();
    for (ConfigurationObject *rule : configuration.objects("rules", 1)) rules_.emplace_back(*rule);
    return configuration.accepted();
  }

  const std::vector<Rule> &rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

/** Blocks requests, or sends clients elsewhere, where a rule says so: the first one that fits decides. */
class BlockRedirect : public StreamContextOf<Rules> {
 public:
  HeadersAction onRequestHeaders(bool /*endOfStream*/) override {
    const std::string path = requestHeaders().get(":path").value_or("");
    const std::string authority = requestHeaders().get(":authority").value_or("");
    for (const Rule &rule : root().rules()) {
      if (rule.matches(requestHeaders(), authority, path)) return answer(rule, path);
    }
    return HeadersAction::Continue;
  }

 private:
  HeadersAction answer(const Rule &rule, std::string_view path) {
    if (rule.redirect) {
      redirected.increment();
      const size_t mark = path.find('?');
      const std::string_view query = mark == std::string_view::npos ? "" : path.substr(mark + 1);
      const std::string location = rule.redirect->location(rule.restOf(path), query);
      sendLocalReply(rule.redirect->status(), "", {{"location", location}}, -1, "block_redirect");
    } else {
      blocked.increment();
      sendLocalReply(rule.blockStatus, rule.blockBody, {}, -1, "block_redirect");
    }
    return HeadersAction::Pause;
  }
};

PROXY_WASM_FILTER("block_redirect", BlockRedirect)
