import {
  ConfigurationObject,
  Counter,
  HeadersAction,
  RootContext,
  StreamContext,
  getTextProperty,
  readConfiguration,
  registerFilterWithRoot,
} from "./proxy-wasm";
import { Limit, hash, takeToken } from "./bucket";
export * from "./proxy-wasm/exports";

const NANOSECONDS_PER_SECOND: u64 = 1000000000;
const MOST_TOKENS: i64 = 1000000000;

const limited: Counter = new Counter("local_rate_limit.limited");

/** The limit of a configured filter. */
class LimitRoot extends RootContext {
  private limit: Limit = new Limit();
  private status: u32 = 0;
  private keyHeader: string = "";
  private keyBuckets: u32 = 0;
  /** How the buckets' keys begin: filters of other names have their own. */
  private keyPrefix: string = "";

  override onConfigure(): bool {
    const configuration = readConfiguration(this.configuration);
    this.limit.maxTokens = configuration.wholeNumber("max_tokens", 1, MOST_TOKENS);
    this.limit.tokensPerFill = configuration.wholeNumber("tokens_per_fill", 1, MOST_TOKENS, 1);
    this.limit.fillInterval = readInterval(configuration);
    this.status = <u32>configuration.wholeNumber("status", 400, 599, 429);
    this.keyHeader = configuration.text("key_header", "");
    if (configuration.has("key_header") && this.keyHeader.length == 0) configuration.refuse("key_header", "is empty");
    this.keyBuckets = <u32>configuration.wholeNumber("key_buckets", 1, 65536, 1024);
    const name = getTextProperty("plugin_name");
    this.keyPrefix = "local_rate_limit/" + (name ? name : "") + "/";
    return configuration.accepted();
  }

  /** Lets a request go on, or answers 429. */
  check(request: StreamContext): HeadersAction {
    const wait = takeToken(this.keyPrefix + this.bucketOf(request).toString(), this.limit);
    if (wait == 0) return HeadersAction.Continue;
    limited.increment();
    const seconds = (wait + NANOSECONDS_PER_SECOND - 1) / NANOSECONDS_PER_SECOND;
    request.sendLocalReply(
      this.status,
      "rate limit exceeded\n",
      [["retry-after", seconds.toString()]],
      -1,
      "local_rate_limit",
    );
    return HeadersAction.Pause;
  }

  private bucketOf(request: StreamContext): u32 {
    if (this.keyHeader.length == 0) return 0;
    const value = request.requestHeaders.getBytes(this.keyHeader);
    return hash(value ? value : new ArrayBuffer(0)) % this.keyBuckets;
  }
}

/** Lets so many requests through in a time, and answers the others. */
class LocalRateLimit extends StreamContext {
  override onRequestHeaders(endOfStream: bool): HeadersAction {
    return (this.root as LimitRoot).check(this);
  }
}

/** `fill_interval` in nanoseconds. */
function readInterval(configuration: ConfigurationObject): u64 {
  const text = configuration.text("fill_interval");
  const digits = countDigits(text);
  const unit = unitOf(text.slice(digits));
  // Up to 8 digits: 24 hours in milliseconds.
  const number = digits > 0 && digits <= 8 ? U64.parseInt(text.slice(0, digits)) : 0;
  const interval = number * unit;
  if (interval == 0 || interval > 24 * 3600 * NANOSECONDS_PER_SECOND) {
    configuration.refuse("fill_interval", "must be a whole number with ms, s, m or h, at most 24h");
  }
  return interval;
}

function countDigits(text: string): i32 {
  let count = 0;
  while (count < text.length && text.charCodeAt(count) >= 48 && text.charCodeAt(count) <= 57) count++;
  return count;
}

function unitOf(name: string): u64 {
  if (name == "ms") return 1000000;
  if (name == "s") return NANOSECONDS_PER_SECOND;
  if (name == "m") return 60 * NANOSECONDS_PER_SECOND;
  return name == "h" ? 3600 * NANOSECONDS_PER_SECOND : 0;
}

registerFilterWithRoot<LocalRateLimit, LimitRoot>("local_rate_limit");
