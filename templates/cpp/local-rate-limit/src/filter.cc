#include <cstdint>
#include <string>
#include <string_view>

#include "bucket.h"
#include "configuration.h"
#include "proxy-wasm.h"

using namespace proxy_wasm;

static constexpr uint64_t MILLISECOND = 1000000;
static constexpr uint64_t SECOND = 1000 * MILLISECOND;
static constexpr int64_t MOST_TOKENS = 1000000000;

static Counter limited("local_rate_limit.limited");

/** Nanoseconds of a text such as `500ms`; 0 when it is none. */
static uint64_t parseInterval(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos || digits > 8) return 0;
  const std::string_view unit = text.substr(digits);
  const uint64_t number = parseNumber(text.substr(0, digits)).value_or(0);
  if (unit == "ms") return number * MILLISECOND;
  if (unit == "s") return number * SECOND;
  if (unit == "m") return number * 60 * SECOND;
  return unit == "h" ? number * 3600 * SECOND : 0;
}

/** The limit of a configured filter. */
class LimitRoot : public RootContext {
 public:
  bool onConfigure() override {
    Configuration configuration(this->configuration());
    limit_.maxTokens = static_cast<uint64_t>(configuration.wholeNumber("max_tokens", 1, MOST_TOKENS));
    limit_.tokensPerFill = static_cast<uint64_t>(configuration.wholeNumber("tokens_per_fill", 1, MOST_TOKENS, 1));
    limit_.fillInterval = parseInterval(configuration.text("fill_interval"));
    if (limit_.fillInterval == 0 || limit_.fillInterval > 24 * 3600 * SECOND) {
      configuration.refuse("fill_interval", "must be a whole number with ms, s, m or h, at most 24h");
    }
    status_ = static_cast<uint32_t>(configuration.wholeNumber("status", 400, 599, 429));
    keyHeader_ = configuration.text("key_header", "");
    if (configuration.has("key_header") && keyHeader_.empty()) configuration.refuse("key_header", "is empty");
    keyBuckets_ = static_cast<uint32_t>(configuration.wholeNumber("key_buckets", 1, 65536, 1024));
    // Filters of other names have buckets of their own.
    keyPrefix_ = concat("local_rate_limit/", getProperty("plugin_name").value_or(""), "/");
    return configuration.accepted();
  }

  /** 0 when the request may go on, else after how many nanoseconds another one may. */
  uint64_t take(const HeaderMap &headers) const {
    const uint32_t bucket = keyHeader_.empty() ? 0 : hashOf(headers.get(keyHeader_).value_or("")) % keyBuckets_;
    return takeToken(concat(keyPrefix_, bucket), limit_);
  }

  uint32_t status() const { return status_; }

 private:
  Limit limit_;
  uint32_t status_ = 0;
  std::string keyHeader_;
  uint32_t keyBuckets_ = 1;
  std::string keyPrefix_;
};

/** Lets so many requests through in a time, and answers the others. */
class LocalRateLimit : public StreamContextOf<LimitRoot> {
 public:
  HeadersAction onRequestHeaders(bool /*endOfStream*/) override {
    const uint64_t wait = root().take(requestHeaders());
    if (wait == 0) return HeadersAction::Continue;
    limited.increment();
    const std::string seconds = concat((wait + SECOND - 1) / SECOND);
    sendLocalReply(root().status(), "rate limit exceeded\n", {{"retry-after", seconds}}, -1, "local_rate_limit");
    return HeadersAction::Pause;
  }
};

PROXY_WASM_FILTER("local_rate_limit", LocalRateLimit)
