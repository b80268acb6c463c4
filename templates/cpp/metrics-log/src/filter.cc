#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "access-log.h"
#include "configuration.h"
#include "label.h"
#include "proxy-wasm.h"

using namespace proxy_wasm;

/** What is measured under one configuration. */
struct Metrics {
  explicit Metrics(std::string_view prefix)
      : requests(prefix), duration(concat(prefix, ".duration_ms")), inFlight(concat(prefix, ".in_flight")) {}

  StatusCounters requests;
  std::vector<Label> labels;
  Histogram duration;
  Gauge inFlight;
};

/** The metrics and the access log of a configured filter. */
class Observer : public RootContext {
 public:
  bool onConfigure() override {
    Configuration configuration(this->configuration().empty() ? "{}" : this->configuration());
    const std::string prefix = configuration.text("stat_prefix", "metrics_log");
    if (!isStatPrefix(prefix)) configuration.refuse("stat_prefix", "must be of a-z, 0-9, _ and dots");
    metrics_ = std::make_shared<Metrics>(prefix);
    for (ConfigurationObject *label : configuration.objects("labels")) metrics_->labels.emplace_back(*label, prefix);
    accessLog_ = AccessLog(configuration);
    return configuration.accepted();
  }

  const std::shared_ptr<Metrics> &metrics() const { return metrics_; }
  const AccessLog &accessLog() const { return accessLog_; }

 private:
  std::shared_ptr<Metrics> metrics_;
  AccessLog accessLog_;
};

/** Counts requests, measures how long they take, and writes a line of log for each. */
class MetricsLog : public StreamContextOf<Observer> {
 public:
  HeadersAction onRequestHeaders(bool /*endOfStream*/) override {
    startedAt_ = currentTimeMilliseconds();
    // Kept: a new configuration may bring others before this request ends.
    metrics_ = root().metrics();
    metrics_->inFlight.change(1);
    return HeadersAction::Continue;
  }

  void onLog() override {
    // A request that another filter answered before it came here.
    if (metrics_ == nullptr) return;
    metrics_->inFlight.change(-1);
    const uint64_t now = currentTimeMilliseconds();
    const uint64_t milliseconds = now > startedAt_ ? now - startedAt_ : 0;
    const int64_t status = getProperty<int64_t>("response.code").value_or(0);
    metrics_->requests.count(status);
    for (Label &label : metrics_->labels) label.count(requestHeaders(), status);
    metrics_->duration.record(milliseconds);
    if (root().accessLog().isOn()) log::info(root().accessLog().line(requestHeaders(), status, milliseconds));
    metrics_ = nullptr;
  }

 private:
  uint64_t startedAt_ = 0;
  std::shared_ptr<Metrics> metrics_;
};

PROXY_WASM_FILTER("metrics_log", MetricsLog)
