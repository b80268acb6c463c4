import {
  Gauge,
  HeadersAction,
  Histogram,
  RootContext,
  StreamContext,
  currentTimeMilliseconds,
  getNumberProperty,
  log,
  readConfiguration,
  registerFilterWithRoot,
} from "./proxy-wasm";
import { AccessLog } from "./access-log";
import { Label, StatusCounters, isStatPrefix } from "./label";
export * from "./proxy-wasm/exports";

/** The metrics and the access log of a configured filter. */
class Observer extends RootContext {
  private requests: StatusCounters = new StatusCounters("");
  private labels: Label[] = [];
  private accessLog: AccessLog | null = null;
  duration: Histogram = new Histogram("");
  inFlight: Gauge = new Gauge("");

  override onConfigure(): bool {
    const configuration = readConfiguration(this.configuration.length > 0 ? this.configuration : "{}");
    const prefix = configuration.text("stat_prefix", "metrics_log");
    if (!isStatPrefix(prefix)) configuration.refuse("stat_prefix", "must be of a-z, 0-9, _ and dots");
    this.requests = new StatusCounters(prefix);
    this.duration = new Histogram(prefix + ".duration_ms");
    this.inFlight = new Gauge(prefix + ".in_flight");
    const labels = configuration.objects("labels");
    this.labels = [];
    for (let i = 0; i < labels.length; i++) this.labels.push(new Label(labels[i], prefix));
    this.accessLog = new AccessLog(configuration);
    return configuration.accepted();
  }

  /** A request is over. */
  observe(request: StreamContext, milliseconds: u64): void {
    const status = getNumberProperty("response.code", 0);
    this.requests.count(status);
    for (let i = 0; i < this.labels.length; i++) {
      this.labels[i].count(request.requestHeaders.getBytes(this.labels[i].header), status);
    }
    this.duration.record(milliseconds);
    const accessLog = this.accessLog;
    if (accessLog && accessLog.isOn) log.info(accessLog.line(request.requestHeaders, status, milliseconds));
  }
}

/** Counts requests, measures how long they take, and writes a line of log for each. */
class MetricsLog extends StreamContext {
  private startedAt: u64 = 0;
  private inFlight: Gauge | null = null;

  override onRequestHeaders(endOfStream: bool): HeadersAction {
    this.startedAt = currentTimeMilliseconds();
    // Kept: a new configuration may bring another gauge before this request ends.
    const inFlight = (this.root as Observer).inFlight;
    inFlight.change(1);
    this.inFlight = inFlight;
    return HeadersAction.Continue;
  }

  override onLog(): void {
    const inFlight = this.inFlight;
    // A request that another filter answered before it came here.
    if (!inFlight) return;
    inFlight.change(-1);
    this.inFlight = null;
    const now = currentTimeMilliseconds();
    (this.root as Observer).observe(this, now > this.startedAt ? now - this.startedAt : 0);
  }
}

registerFilterWithRoot<MetricsLog, Observer>("metrics_log");
