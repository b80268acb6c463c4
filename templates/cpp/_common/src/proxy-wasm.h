/*
 * A C++ SDK for Proxy-Wasm 0.2.1 in one header: C++17, no exceptions, no RTTI, no build flags of its own.
 *
 * A filter is one class that extends `StreamContext` and is registered under a root id:
 *
 *     #include "proxy-wasm.h"
 *     using namespace proxy_wasm;
 *
 *     class AddHeader : public StreamContext {
 *      public:
 *       HeadersAction onResponseHeaders(bool endOfStream) override {
 *         responseHeaders().add("hello", root().configuration());
 *         return HeadersAction::Continue;
 *       }
 *     };
 *     PROXY_WASM_FILTER("add_header", AddHeader)
 *
 * Add a class that extends `RootContext`, and extend `StreamContextOf<ThatClass>`, when something has to outlive a
 * request: a parsed configuration, a timer, a background call.
 *
 * The module exports the callbacks that a registered class overrides and no others, and imports the host functions
 * that are reachable from its code and no others: the proxy enters a module once for every callback it exports, so one
 * that nobody listens to would cost time on each request. A module may hold many filters, in one file or in several.
 *
 * In this order: values and texts, logging, headers, bodies, properties, shared data, queues, metrics, foreign
 * functions, the two context classes with their callbacks, registration.
 */
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__EXCEPTIONS)
#error "compile filters with -fno-exceptions: a proxy cannot unwind a module"
#endif

// ---------------------------------------------------------------------------------------------------------------------
// The host functions, exactly as a proxy links them. Every one answers a `Status`; `out…` parameters are where the host
// writes its results. Filters use the typed functions below instead.

#define PROXY_WASM_IMPORT(name, ...) \
  extern "C" __attribute__((import_module("env"), import_name(#name))) uint32_t name(__VA_ARGS__)
#define PROXY_WASM_EXPORT(name) __attribute__((export_name(#name)))

namespace proxy_wasm {
namespace host {

PROXY_WASM_IMPORT(proxy_log, uint32_t level, const char *text, uint32_t size);
PROXY_WASM_IMPORT(proxy_get_log_level, uint32_t *outLevel);
PROXY_WASM_IMPORT(proxy_get_current_time_nanoseconds, uint64_t *outTime);
PROXY_WASM_IMPORT(proxy_set_tick_period_milliseconds, uint32_t period);
PROXY_WASM_IMPORT(proxy_get_status, uint32_t *outCode, char **outData, uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_get_property, const char *path, uint32_t pathSize, char **outData, uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_set_property, const char *path, uint32_t pathSize, const char *value, uint32_t valueSize);
PROXY_WASM_IMPORT(proxy_get_buffer_bytes, uint32_t type, uint32_t start, uint32_t length, char **outData,
                  uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_get_buffer_status, uint32_t type, uint32_t *outSize, uint32_t *outFlags);
PROXY_WASM_IMPORT(proxy_set_buffer_bytes, uint32_t type, uint32_t start, uint32_t length, const char *data,
                  uint32_t size);
PROXY_WASM_IMPORT(proxy_get_header_map_pairs, uint32_t type, char **outData, uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_set_header_map_pairs, uint32_t type, const char *data, uint32_t size);
PROXY_WASM_IMPORT(proxy_get_header_map_value, uint32_t type, const char *name, uint32_t nameSize, char **outData,
                  uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_add_header_map_value, uint32_t type, const char *name, uint32_t nameSize, const char *value,
                  uint32_t valueSize);
PROXY_WASM_IMPORT(proxy_replace_header_map_value, uint32_t type, const char *name, uint32_t nameSize,
                  const char *value, uint32_t valueSize);
PROXY_WASM_IMPORT(proxy_remove_header_map_value, uint32_t type, const char *name, uint32_t nameSize);
PROXY_WASM_IMPORT(proxy_get_header_map_size, uint32_t type, uint32_t *outBytes);
PROXY_WASM_IMPORT(proxy_continue_stream, uint32_t type);
PROXY_WASM_IMPORT(proxy_close_stream, uint32_t type);
PROXY_WASM_IMPORT(proxy_send_local_response, uint32_t status, const char *details, uint32_t detailsSize,
                  const char *body, uint32_t bodySize, const char *headers, uint32_t headersSize, int32_t grpcStatus);
PROXY_WASM_IMPORT(proxy_http_call, const char *upstream, uint32_t upstreamSize, const char *headers,
                  uint32_t headersSize, const char *body, uint32_t bodySize, const char *trailers,
                  uint32_t trailersSize, uint32_t timeout, uint32_t *outToken);
PROXY_WASM_IMPORT(proxy_grpc_call, const char *upstream, uint32_t upstreamSize, const char *service,
                  uint32_t serviceSize, const char *method, uint32_t methodSize, const char *metadata,
                  uint32_t metadataSize, const char *message, uint32_t messageSize, uint32_t timeout,
                  uint32_t *outToken);
PROXY_WASM_IMPORT(proxy_grpc_stream, const char *upstream, uint32_t upstreamSize, const char *service,
                  uint32_t serviceSize, const char *method, uint32_t methodSize, const char *metadata,
                  uint32_t metadataSize, uint32_t *outToken);
PROXY_WASM_IMPORT(proxy_grpc_send, uint32_t token, const char *message, uint32_t messageSize, uint32_t endStream);
PROXY_WASM_IMPORT(proxy_grpc_cancel, uint32_t token);
PROXY_WASM_IMPORT(proxy_grpc_close, uint32_t token);
PROXY_WASM_IMPORT(proxy_get_shared_data, const char *key, uint32_t keySize, char **outData, uint32_t *outSize,
                  uint32_t *outCas);
PROXY_WASM_IMPORT(proxy_set_shared_data, const char *key, uint32_t keySize, const char *value, uint32_t valueSize,
                  uint32_t cas);
PROXY_WASM_IMPORT(proxy_register_shared_queue, const char *name, uint32_t nameSize, uint32_t *outQueue);
PROXY_WASM_IMPORT(proxy_resolve_shared_queue, const char *vmId, uint32_t vmIdSize, const char *name,
                  uint32_t nameSize, uint32_t *outQueue);
PROXY_WASM_IMPORT(proxy_enqueue_shared_queue, uint32_t queue, const char *data, uint32_t size);
PROXY_WASM_IMPORT(proxy_dequeue_shared_queue, uint32_t queue, char **outData, uint32_t *outSize);
PROXY_WASM_IMPORT(proxy_define_metric, uint32_t type, const char *name, uint32_t nameSize, uint32_t *outMetric);
PROXY_WASM_IMPORT(proxy_increment_metric, uint32_t metric, int64_t offset);
PROXY_WASM_IMPORT(proxy_record_metric, uint32_t metric, uint64_t value);
PROXY_WASM_IMPORT(proxy_get_metric, uint32_t metric, uint64_t *outValue);
PROXY_WASM_IMPORT(proxy_set_effective_context, uint32_t context);
PROXY_WASM_IMPORT(proxy_done, );
PROXY_WASM_IMPORT(proxy_call_foreign_function, const char *name, uint32_t nameSize, const char *argument,
                  uint32_t argumentSize, char **outData, uint32_t *outSize);

}  // namespace host

// ---------------------------------------------------------------------------------------------------------------------
// Values

/** What the proxy answers to a host call. */
enum class Status : uint32_t {
  Ok = 0,
  /** No such header, property, queue, metric or key. */
  NotFound = 1,
  /** Not possible now (a header map outside its phase), or a bad value (an unknown cluster). */
  BadArgument = 2,
  SerializationFailure = 3,
  ParseFailure = 4,
  InvalidMemoryAccess = 6,
  /** The queue is empty. */
  Empty = 7,
  /** Somebody else wrote the shared data in between. */
  CasMismatch = 8,
  InternalFailure = 10,
  Unimplemented = 12,
};

/** What a headers callback answers. */
enum class HeadersAction : uint32_t {
  /** Pass the headers on. */
  Continue = 0,
  /** Hold headers and everything behind them until `continueRequest` or `continueResponse`. */
  Pause = 1,
  /** The same, and collect the body meanwhile, up to the proxy's buffer limit. */
  PauseAndBuffer = 3,
  /** The same, and stop reading from the peer when the buffer is full. */
  PauseAndWatermark = 4,
};

/** What a body callback answers. */
enum class BodyAction : uint32_t {
  /** Pass this piece, and what was collected before it, on. */
  Continue = 0,
  /** Collect: the next callback sees the whole body so far. The way to rewrite a body: collect until `endOfStream`. */
  PauseAndBuffer = 1,
  /** Hold, and stop reading from the peer when the buffer is full. */
  PauseAndWatermark = 2,
  /** Hold, and drop this piece. */
  PauseWithoutBuffer = 3,
};

/** What a trailers callback, or a TCP callback, answers. */
enum class Action : uint32_t { Continue = 0, Pause = 1 };

/** Who closed a TCP connection. */
enum class PeerType : uint32_t { Unknown = 0, Local = 1, Remote = 2 };

/** How important a log line is. The proxy drops what lies below its own level. */
enum class LogLevel : uint32_t { Trace = 0, Debug = 1, Info = 2, Warn = 3, Error = 4, Critical = 5 };

/** Header names and values in order. */
using Pairs = std::vector<std::pair<std::string, std::string>>;

namespace detail {

inline Status lastStatus = Status::Ok;

/** Remembers why a call failed. */
inline Status note(uint32_t status) {
  if (status != 0) lastStatus = static_cast<Status>(status);
  return static_cast<Status>(status);
}

/** Bytes the proxy wrote into memory it asked us for; freed at the end of the scope. */
struct Incoming {
  char *data = nullptr;
  uint32_t size = 0;
  Incoming() = default;
  Incoming(const Incoming &) = delete;
  Incoming &operator=(const Incoming &) = delete;
  ~Incoming() { std::free(data); }
  std::string_view view() const { return data == nullptr ? std::string_view() : std::string_view(data, size); }
  std::string text() const { return std::string(view()); }
};

}  // namespace detail

/** The answer to the last host call that did not work: why a function gave nothing. */
inline Status lastStatus() { return detail::lastStatus; }

// ---------------------------------------------------------------------------------------------------------------------
// Texts, time, log

namespace detail {

template <class T>
void appendPart(std::string &text, const T &part) {
  if constexpr (std::is_same_v<T, bool>) {
    text.append(part ? "true" : "false");
  } else if constexpr (std::is_same_v<T, char>) {
    text.push_back(part);
  } else if constexpr (std::is_integral_v<T>) {
    char digits[20];
    char *first = digits + sizeof digits;
    const bool negative = part < T(0);
    uint64_t rest = negative ? 0 - static_cast<uint64_t>(part) : static_cast<uint64_t>(part);
    do {
      *--first = static_cast<char>('0' + rest % 10);
    } while ((rest /= 10) != 0);
    if (negative) text.push_back('-');
    text.append(first, static_cast<size_t>(digits + sizeof digits - first));
  } else {
    static_assert(std::is_convertible_v<const T &, std::string_view>, "a text, a whole number, a bool or a char");
    text.append(std::string_view(part));
  }
}

}  // namespace detail

/** Texts, whole numbers, bools and chars as one text: `concat("answered ", 200)`. */
template <class... Parts>
std::string concat(const Parts &...parts) {
  std::string text;
  (detail::appendPart(text, parts), ...);
  return text;
}

/** A decimal number of digits alone; nothing for any other text and for one that is too large. */
inline std::optional<uint64_t> parseNumber(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t number = 0;
  for (const char digit : text) {
    const uint64_t value = static_cast<uint64_t>(digit) - '0';
    if (digit < '0' || digit > '9' || number > (UINT64_MAX - value) / 10) return std::nullopt;
    number = number * 10 + value;
  }
  return number;
}

/** The proxy's wall clock: nanoseconds since 1970. */
inline uint64_t currentTimeNanoseconds() {
  uint64_t time = 0;
  host::proxy_get_current_time_nanoseconds(&time);
  return time;
}

/** The same in milliseconds. */
inline uint64_t currentTimeMilliseconds() { return currentTimeNanoseconds() / 1000000; }

/** Whether the proxy would keep a line of this level: ask before building an expensive message for every request. */
inline bool logEnabled(LogLevel level) {
  uint32_t kept = 0;
  return host::proxy_get_log_level(&kept) == 0 && static_cast<uint32_t>(level) >= kept;
}

/**
 * Writes one line to the proxy's log, made of texts, whole numbers, bools and chars. The parts are put together only if
 * the proxy would keep the line.
 */
template <class... Parts>
void logAt(LogLevel level, const Parts &...parts) {
  if constexpr (sizeof...(Parts) == 1 && (std::is_convertible_v<const Parts &, std::string_view> && ...)) {
    const std::string_view text(parts...);
    host::proxy_log(static_cast<uint32_t>(level), text.data(), text.size());
  } else if (logEnabled(level)) {
    const std::string text = concat(parts...);
    host::proxy_log(static_cast<uint32_t>(level), text.data(), text.size());
  }
}

/** The filter's log: `log::info("configured for ", count, " paths")`. */
namespace log {
template <class... Parts>
void trace(const Parts &...parts) {
  logAt(LogLevel::Trace, parts...);
}
template <class... Parts>
void debug(const Parts &...parts) {
  logAt(LogLevel::Debug, parts...);
}
template <class... Parts>
void info(const Parts &...parts) {
  logAt(LogLevel::Info, parts...);
}
template <class... Parts>
void warn(const Parts &...parts) {
  logAt(LogLevel::Warn, parts...);
}
template <class... Parts>
void error(const Parts &...parts) {
  logAt(LogLevel::Error, parts...);
}
template <class... Parts>
void critical(const Parts &...parts) {
  logAt(LogLevel::Critical, parts...);
}
}  // namespace log

// ---------------------------------------------------------------------------------------------------------------------
// Headers

/**
 * Headers on their way to the proxy, wherever a function takes some: `{{"content-type", "text/plain"}}`, or `Pairs`.
 *
 * The form proxies read: a count, then two sizes per pair, then name and value of each pair with a NUL behind both;
 * numbers are 4 bytes, little-endian. No pairs are no bytes.
 */
class PairList {
 public:
  PairList() = default;
  PairList(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) { encode(pairs); }
  PairList(const Pairs &pairs) { encode(pairs); }

  const char *data() const { return bytes_.data(); }
  uint32_t size() const { return bytes_.size(); }

 private:
  template <class List>
  void encode(const List &pairs) {
    if (pairs.size() == 0) return;
    size_t total = 4 + 8 * pairs.size();
    for (const auto &[name, value] : pairs) total += name.size() + value.size() + 2;
    bytes_.reserve(total);
    number(pairs.size());
    for (const auto &[name, value] : pairs) {
      number(name.size());
      number(value.size());
    }
    for (const auto &[name, value] : pairs) {
      bytes_.append(name).push_back('\0');
      bytes_.append(value).push_back('\0');
    }
  }
  void number(uint32_t value) { bytes_.append(reinterpret_cast<const char *>(&value), sizeof value); }

  std::string bytes_;
};

/** Pairs in the form proxies write them (header maps, properties such as `request.headers`); none if they are not. */
inline Pairs decodePairs(std::string_view bytes) {
  Pairs pairs;
  const auto number = [bytes](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  if (bytes.size() < 4) return pairs;
  const size_t count = number(0);
  if (count > (bytes.size() - 4) / 10) return pairs;
  size_t data = 4 + 8 * count;
  pairs.reserve(count);
  for (size_t index = 0; index < count; ++index) {
    const uint64_t nameSize = number(4 + 8 * index);
    const uint64_t valueSize = number(8 + 8 * index);
    if (data + nameSize + valueSize + 2 > bytes.size()) return Pairs();
    pairs.emplace_back(bytes.substr(data, nameSize), bytes.substr(data + nameSize + 1, valueSize));
    data += nameSize + valueSize + 2;
  }
  return pairs;
}

/**
 * Headers or trailers of the current stream, or of a callout's answer.
 *
 * Names are case-insensitive; the proxy keeps them in lower case. The pseudo headers `:method`, `:path`, `:authority`,
 * `:scheme` and `:status` are headers like any other. A map exists only in its own phase: **request headers are gone
 * once the request went on**, so save in `onRequestHeaders` what `onResponseHeaders` needs. When a read gives nothing,
 * `lastStatus()` has the reason.
 */
class HeaderMap {
 public:
  /** By the proxy's number of the map; filters take those of their context. */
  constexpr explicit HeaderMap(uint32_t type) : type_(type) {}

  /** The value of a header, the first one if there are several. */
  std::optional<std::string> get(std::string_view name) const {
    detail::Incoming value;
    if (!read(name, value)) return std::nullopt;
    return value.text();
  }

  /** All values of a header, in order. (Envoy joins those of some standard headers with a comma into one.) */
  std::vector<std::string> getAll(std::string_view name) const {
    std::vector<std::string> values;
    for (auto &[key, value] : pairs()) {
      if (equalNames(key, name)) values.push_back(std::move(value));
    }
    return values;
  }

  /** Whether the header is there, be it empty. */
  bool has(std::string_view name) const {
    detail::Incoming value;
    return read(name, value);
  }

  /** Adds a value and keeps those already there. */
  Status add(std::string_view name, std::string_view value) const {
    return detail::note(
        host::proxy_add_header_map_value(type_, name.data(), name.size(), value.data(), value.size()));
  }

  /** Makes this the only value of the header, whether it was there or not. */
  Status set(std::string_view name, std::string_view value) const {
    return detail::note(
        host::proxy_replace_header_map_value(type_, name.data(), name.size(), value.data(), value.size()));
  }

  /** Changes the header only if it is there; `NotFound` if it is not. */
  Status replace(std::string_view name, std::string_view value) const {
    return has(name) ? set(name, value) : lastStatus();
  }

  /** Removes all values of a header. Removing what is not there is no error. */
  Status remove(std::string_view name) const {
    return detail::note(host::proxy_remove_header_map_value(type_, name.data(), name.size()));
  }

  /** All headers in order; none when the map does not exist in this phase. */
  Pairs pairs() const {
    detail::Incoming bytes;
    if (detail::note(host::proxy_get_header_map_pairs(type_, &bytes.data, &bytes.size)) != Status::Ok) return Pairs();
    return decodePairs(bytes.view());
  }

  /** Replaces the whole map. */
  Status setPairs(const PairList &pairs) const {
    return detail::note(host::proxy_set_header_map_pairs(type_, pairs.data(), pairs.size()));
  }

  /** Size of all names and values together, in bytes. */
  uint32_t byteSize() const {
    uint32_t bytes = 0;
    detail::note(host::proxy_get_header_map_size(type_, &bytes));
    return bytes;
  }

 private:
  bool read(std::string_view name, detail::Incoming &value) const {
    return detail::note(host::proxy_get_header_map_value(type_, name.data(), name.size(), &value.data, &value.size)) ==
           Status::Ok;
  }
  static bool equalNames(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; };
    for (size_t at = 0; at < a.size(); ++at) {
      if (lower(a[at]) != lower(b[at])) return false;
    }
    return true;
  }

  uint32_t type_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Bodies

/**
 * The body bytes that the proxy shows to the current callback: this piece, and what was held before it. The proxy does
 * not correct `content-length`: remove that header in the headers callback before the body's length changes.
 */
class Body {
 public:
  /** By the proxy's number of the buffer; filters take those of their context. */
  constexpr explicit Body(uint32_t type) : type_(type) {}

  /** Size in bytes. */
  uint32_t size() const {
    uint32_t size = 0;
    uint32_t flags = 0;
    detail::note(host::proxy_get_buffer_status(type_, &size, &flags));
    return size;
  }

  /** At most `length` bytes from `start` on; fewer, or none, when the body is shorter. */
  std::string bytes(uint32_t start = 0, uint32_t length = END) const {
    detail::Incoming bytes;
    detail::note(host::proxy_get_buffer_bytes(type_, start, length, &bytes.data, &bytes.size));
    return bytes.text();
  }

  /** Puts other content in place of all of it. */
  Status replace(std::string_view content) const { return write(0, END, content); }

  /** Puts content before it. */
  Status prepend(std::string_view content) const { return write(0, 0, content); }

  /** Puts content behind it. */
  Status append(std::string_view content) const { return write(END, 0, content); }

  /** Cuts the first bytes off. */
  Status dropFirst(uint32_t count) const { return write(0, count, ""); }

 private:
  /** Larger than any buffer: "to the end" for reading and replacing, "behind the end" for appending. */
  static constexpr uint32_t END = 0x7fffffff;

  Status write(uint32_t start, uint32_t length, std::string_view content) const {
    return detail::note(host::proxy_set_buffer_bytes(type_, start, length, content.data(), content.size()));
  }

  uint32_t type_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Properties

/**
 * The path of a property: `"request.path"`, with segments separated by dots, or `{"metadata", "filter_metadata",
 * "envoy.lb"}` where a segment contains a dot itself.
 */
class PropertyPath {
 public:
  PropertyPath(const char *path) : PropertyPath(std::string_view(path)) {}
  PropertyPath(const std::string &path) : PropertyPath(std::string_view(path)) {}
  PropertyPath(std::string_view path) : bytes_(path) {
    for (char &byte : bytes_) {
      if (byte == '.') byte = '\0';
    }
  }
  PropertyPath(std::initializer_list<std::string_view> segments) {
    for (const std::string_view segment : segments) {
      if (!bytes_.empty()) bytes_.push_back('\0');
      bytes_.append(segment);
    }
  }
  const std::string &bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/**
 * One of the proxy's attributes, such as `getProperty("request.path")` or `getProperty<int64_t>("response.code")`;
 * nothing if it is unknown, not set yet, or of another size than `T`.
 *
 * `T` says how its bytes are read: `std::string` (texts, addresses, serialised messages), `int64_t` or `uint64_t`
 * (numbers; times and durations in nanoseconds), `double`, `bool` (such as `connection.mtls`), `Pairs` (maps such as
 * `request.headers`).
 */
template <class T = std::string>
std::optional<T> getProperty(const PropertyPath &path) {
  detail::Incoming bytes;
  const std::string &name = path.bytes();
  const uint32_t status = host::proxy_get_property(name.data(), name.size(), &bytes.data, &bytes.size);
  if (detail::note(status) != Status::Ok) return std::nullopt;
  if constexpr (std::is_same_v<T, std::string>) {
    return bytes.text();
  } else if constexpr (std::is_same_v<T, Pairs>) {
    return decodePairs(bytes.view());
  } else {
    static_assert(std::is_same_v<T, bool> || (std::is_arithmetic_v<T> && sizeof(T) == 8),
                  "std::string, int64_t, uint64_t, double, bool or Pairs");
    if (bytes.size != sizeof(T)) return std::nullopt;
    T value{};
    std::memcpy(&value, bytes.data, sizeof(T));
    return value;
  }
}

/**
 * Stores a value with the stream: this filter and later ones read it with `getProperty`. The name is one segment:
 * Envoy takes a name with a dot and then cannot find it again.
 */
inline Status setProperty(std::string_view name, std::string_view value) {
  return detail::note(host::proxy_set_property(name.data(), name.size(), value.data(), value.size()));
}

// ---------------------------------------------------------------------------------------------------------------------
// Shared data and queues

/** A value from the store that all threads of a proxy share. */
struct SharedData {
  std::string value;
  /** Which write it came from: give it to `setSharedData` to write only if nobody else wrote in between. */
  uint32_t cas = 0;
};

/** Reads a key, shared by all filters with the same VM id; nothing if nobody wrote it yet. */
inline std::optional<SharedData> getSharedData(std::string_view key) {
  detail::Incoming bytes;
  uint32_t cas = 0;
  const uint32_t status = host::proxy_get_shared_data(key.data(), key.size(), &bytes.data, &bytes.size, &cas);
  if (detail::note(status) != Status::Ok) return std::nullopt;
  return SharedData{bytes.text(), cas};
}

/**
 * Writes a key. With `cas` from an earlier read the write happens only if the key was not written since; `CasMismatch`
 * then means "read again and retry". Without it the write always happens.
 */
inline Status setSharedData(std::string_view key, std::string_view value, uint32_t cas = 0) {
  return detail::note(host::proxy_set_shared_data(key.data(), key.size(), value.data(), value.size(), cas));
}

/** A first-in-first-out queue between filters and threads of one proxy. */
class SharedQueue {
 public:
  constexpr explicit SharedQueue(uint32_t id) : id_(id) {}

  /** Makes a queue, or takes an existing one over: `onQueueReady` of the calling root then hears of new items. */
  static std::optional<SharedQueue> make(std::string_view name) {
    uint32_t id = 0;
    const uint32_t status = host::proxy_register_shared_queue(name.data(), name.size(), &id);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return SharedQueue(id);
  }

  /** Finds a queue that another VM made; `""` is the own VM's id. Nothing until it is made. */
  static std::optional<SharedQueue> find(std::string_view vmId, std::string_view name) {
    uint32_t id = 0;
    const uint32_t status =
        host::proxy_resolve_shared_queue(vmId.data(), vmId.size(), name.data(), name.size(), &id);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return SharedQueue(id);
  }

  /** The proxy's number for it. */
  uint32_t id() const { return id_; }

  /** Puts an item at the end. */
  Status enqueue(std::string_view item) const {
    return detail::note(host::proxy_enqueue_shared_queue(id_, item.data(), item.size()));
  }

  /** Takes the first item; nothing if the queue is empty. */
  std::optional<std::string> dequeue() const {
    detail::Incoming bytes;
    const uint32_t status = host::proxy_dequeue_shared_queue(id_, &bytes.data, &bytes.size);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return bytes.text();
  }

 private:
  uint32_t id_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Metrics

namespace detail {

/**
 * A metric of the proxy, defined there at its first use: so it can be a global of the module, although no host function
 * may be called while the module starts.
 */
class Metric {
 protected:
  Metric(uint32_t type, std::string_view name) : type_(type), name_(name) {}

  Status add(int64_t offset) {
    const Status status = define();
    return status == Status::Ok ? note(host::proxy_increment_metric(id_, offset)) : status;
  }
  Status write(uint64_t value) {
    const Status status = define();
    return status == Status::Ok ? note(host::proxy_record_metric(id_, value)) : status;
  }
  uint64_t read() {
    uint64_t value = 0;
    if (define() == Status::Ok) note(host::proxy_get_metric(id_, &value));
    return value;
  }

 public:
  /** Defines it now, so that it shows with value 0 before its first use. */
  Status define() {
    if (defined_) return Status::Ok;
    const Status status = note(host::proxy_define_metric(type_, name_.data(), name_.size(), &id_));
    defined_ = status == Status::Ok;
    return status;
  }

 private:
  uint32_t type_;
  uint32_t id_ = 0;
  bool defined_ = false;
  std::string name_;
};

}  // namespace detail

/** A number that only grows. `static Counter requests("requests");` at the top of a file is fine. */
class Counter : public detail::Metric {
 public:
  explicit Counter(std::string_view name) : Metric(0, name) {}
  /** Adds to it, 1 if not said otherwise; 0 is refused by the proxy. */
  Status increment(uint32_t by = 1) { return add(by); }
  /** Its value, over all threads of the proxy. */
  uint64_t value() { return read(); }
};

/** A number that goes up and down. */
class Gauge : public detail::Metric {
 public:
  explicit Gauge(std::string_view name) : Metric(1, name) {}
  Status set(uint64_t value) { return write(value); }
  /** Adds to it, or takes away. The proxy does not stop at 0: it wraps around. */
  Status change(int64_t by) { return add(by); }
  /** Its value, over all threads of the proxy. */
  uint64_t value() { return read(); }
};

/** Many measurements, of which the proxy keeps the distribution. */
class Histogram : public detail::Metric {
 public:
  explicit Histogram(std::string_view name) : Metric(2, name) {}
  Status record(uint64_t value) { return write(value); }
};

// ---------------------------------------------------------------------------------------------------------------------
// Foreign functions

/**
 * Calls a function that only this kind of proxy has (`compress`, `sign`, `clear_route_cache`, … in Envoy) with an
 * argument in the form that function expects; nothing if it is unknown or refuses.
 */
inline std::optional<std::string> callForeignFunction(std::string_view name, std::string_view argument = "") {
  detail::Incoming bytes;
  const uint32_t status = host::proxy_call_foreign_function(name.data(), name.size(), argument.data(),
                                                            argument.size(), &bytes.data, &bytes.size);
  if (detail::note(status) != Status::Ok) return std::nullopt;
  return bytes.text();
}

// ---------------------------------------------------------------------------------------------------------------------
// Contexts

/** The answer to an HTTP call, readable during `onHttpCallResponse` only. */
class HttpCallResponse {
 public:
  explicit HttpCallResponse(uint32_t bodySize) : bodySize_(bodySize) {}

  /**
   * The HTTP status; 503 or 504 when the upstream could not be reached or was too slow, and 0 when a proxy gives no
   * answer at all.
   */
  uint32_t status() const { return parseNumber(headers().get(":status").value_or("")).value_or(0); }
  /** Size of the body in bytes. */
  uint32_t bodySize() const { return bodySize_; }
  HeaderMap headers() const { return HeaderMap(6); }
  Body body() const { return Body(4); }
  HeaderMap trailers() const { return HeaderMap(7); }

 private:
  uint32_t bodySize_;
};

/** How a gRPC call or stream ended: what the upstream said, or the proxy in its place. */
struct GrpcStatus {
  /** gRPC's own number; 0 is OK. */
  uint32_t code = 0;
  std::string message;
};

class Context;
class RootContext;
class StreamContext;

namespace detail {

/** Something with a number, in a `Table`. */
struct Node {
  uint32_t id = 0;
  Node *next = nullptr;
};

/** Things by number. They are made and freed by others; the table only links them. */
class Table {
 public:
  Node *find(uint32_t id) const {
    if (newest_ != nullptr && newest_->id == id) return newest_;
    if (buckets_ == nullptr) return nullptr;
    Node *node = buckets_[id & mask_];
    while (node != nullptr && node->id != id) node = node->next;
    return node;
  }

  void add(Node *node) {
    if (count_ > mask_ || buckets_ == nullptr) grow();
    link(node);
    newest_ = node;
    ++count_;
  }

  /** Unlinks and returns it; nothing if it is not there. */
  Node *take(uint32_t id) {
    if (buckets_ == nullptr) return nullptr;
    for (Node **link = &buckets_[id & mask_]; *link != nullptr; link = &(*link)->next) {
      Node *node = *link;
      if (node->id != id) continue;
      *link = node->next;
      if (newest_ == node) newest_ = nullptr;
      --count_;
      return node;
    }
    return nullptr;
  }

 private:
  void link(Node *node) {
    node->next = buckets_[node->id & mask_];
    buckets_[node->id & mask_] = node;
  }

  void grow() {
    Node **old = buckets_;
    const uint32_t oldSize = old == nullptr ? 0 : mask_ + 1;
    const uint32_t size = oldSize == 0 ? 16 : oldSize * 2;
    buckets_ = new Node *[size]();
    mask_ = size - 1;
    for (uint32_t index = 0; index < oldSize; ++index) {
      for (Node *node = old[index]; node != nullptr;) {
        Node *next = node->next;
        link(node);
        node = next;
      }
    }
    delete[] old;
  }

  Node **buckets_ = nullptr;
  uint32_t mask_ = 0;
  uint32_t count_ = 0;
  /** Under little load the newest stream is the only one. */
  Node *newest_ = nullptr;
};

inline Table contexts;

/** A call whose answer is awaited: the proxy answers to the root context alone, whoever made the call. */
struct Call : Node {
  uint32_t context = 0;
  /** A gRPC call, over with its first message. */
  bool unary = false;
};

inline Table calls;

inline uint32_t awaitAnswer(uint32_t token, uint32_t context, bool unary) {
  Call *call = new Call();
  call->id = token;
  call->context = context;
  call->unary = unary;
  calls.add(call);
  return token;
}

inline void forgetCall(uint32_t token) { delete static_cast<Call *>(calls.take(token)); }

/** What the constructor of the next context finds: no class of a filter has to pass them on. */
inline uint32_t nextId = 0;
inline std::string_view nextRootId;
inline RootContext *nextRoot = nullptr;

/** The way from numbers to contexts, for the exported functions. */
struct Access;

template <class = void>
struct OnHttpCallResponse;
template <class = void>
struct OnGrpcReceive;
template <class = void>
struct OnGrpcClose;

}  // namespace detail

/** What root contexts and stream contexts have in common. */
class Context : private detail::Node {
 public:
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;
  virtual ~Context() = default;

  /** The proxy's number for this context. */
  uint32_t id() const { return detail::Node::id; }

  /**
   * The answer to a call of this context; `call` is what `httpCall` returned. For a stream, host calls act on that
   * stream, so a paused request can be continued or answered here. Never called once the stream is gone.
   */
  virtual void onHttpCallResponse(uint32_t /*call*/, const HttpCallResponse & /*response*/) {}

  /** The first metadata of a gRPC stream. (A unary call tells of its message, or of its failure, alone.) */
  virtual void onGrpcInitialMetadata(uint32_t /*call*/, HeaderMap /*metadata*/) {}

  /** A message of a gRPC call or stream: `message.bytes()` is the serialised message. */
  virtual void onGrpcMessage(uint32_t /*call*/, Body /*message*/) {}

  /** The last metadata of a gRPC stream. */
  virtual void onGrpcTrailingMetadata(uint32_t /*call*/, HeaderMap /*metadata*/) {}

  /** A gRPC stream has ended, or a gRPC call failed. */
  virtual void onGrpcClose(uint32_t /*call*/, const GrpcStatus & /*status*/) {}

  /**
   * A stream has ended, or the filter goes away. `false` keeps a root context until `done()` is called; the answer of
   * a stream does not matter.
   */
  virtual bool onDone() { return true; }

  /**
   * Time for the access log of a stream: all headers, and properties such as `response.code`, can be read once more.
   * For a root context: last words.
   */
  virtual void onLog() {}

  /** The context is gone after this call. */
  virtual void onDelete() {}

  /**
   * Sends an HTTP request to a cluster of the proxy; the answer arrives at `onHttpCallResponse`. A stream usually pauses
   * until then.
   *
   * @param cluster The upstream's name in the proxy's configuration.
   * @param headers Needs `:method`, `:path` and `:authority`.
   * @param body `""` for none.
   * @param timeout In milliseconds; 0 waits for ever.
   * @returns The call's number; nothing if the proxy refused it: unknown cluster, missing pseudo header.
   */
  template <class Response = void>
  std::optional<uint32_t> httpCall(std::string_view cluster, const PairList &headers, std::string_view body = "",
                                   uint32_t timeout = 5000, const PairList &trailers = {}) {
    (void)&detail::OnHttpCallResponse<Response>::call;
    uint32_t token = 0;
    const uint32_t status =
        host::proxy_http_call(cluster.data(), cluster.size(), headers.data(), headers.size(), body.data(), body.size(),
                              trailers.data(), trailers.size(), timeout, &token);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return detail::awaitAnswer(token, id(), false);
  }

  /**
   * Makes a unary gRPC call: `onGrpcMessage` gets its answer, or `onGrpcClose` its failure.
   *
   * @param upstream A cluster's name, or a serialised `envoy.config.core.v3.GrpcService`.
   * @param service The full name of the service: `package.Service`.
   * @param method The name of its method.
   * @param message The serialised request.
   * @param timeout In milliseconds.
   * @param metadata More headers.
   * @returns The call's number; nothing if the proxy refused it.
   */
  template <class Response = void>
  std::optional<uint32_t> grpcCall(std::string_view upstream, std::string_view service, std::string_view method,
                                   std::string_view message, uint32_t timeout = 5000,
                                   const PairList &metadata = {}) {
    (void)&detail::OnGrpcReceive<Response>::call;
    (void)&detail::OnGrpcClose<Response>::call;
    uint32_t token = 0;
    const uint32_t status = host::proxy_grpc_call(
        upstream.data(), upstream.size(), service.data(), service.size(), method.data(), method.size(),
        metadata.data(), metadata.size(), message.data(), message.size(), timeout, &token);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return detail::awaitAnswer(token, id(), true);
  }

  /**
   * Opens a gRPC stream; send with `grpcSend`, and end it with `grpcClose` or `grpcCancel`: it does not end with the
   * context that opened it. Parameters as for `grpcCall`.
   */
  template <class Response = void>
  std::optional<uint32_t> grpcStream(std::string_view upstream, std::string_view service, std::string_view method,
                                     const PairList &metadata = {}) {
    (void)&detail::OnGrpcReceive<Response>::call;
    (void)&detail::OnGrpcClose<Response>::call;
    uint32_t token = 0;
    const uint32_t status =
        host::proxy_grpc_stream(upstream.data(), upstream.size(), service.data(), service.size(), method.data(),
                                method.size(), metadata.data(), metadata.size(), &token);
    if (detail::note(status) != Status::Ok) return std::nullopt;
    return detail::awaitAnswer(token, id(), false);
  }

  /** Sends a message on a gRPC stream; with `endStream` it is the last one. */
  Status grpcSend(uint32_t stream, std::string_view message, bool endStream = false) {
    return detail::note(host::proxy_grpc_send(stream, message.data(), message.size(), endStream ? 1 : 0));
  }

  /** Ends this side of a gRPC stream; what the upstream still sends arrives. A unary call is given up. */
  Status grpcClose(uint32_t call) {
    const detail::Node *node = detail::calls.find(call);
    if (node != nullptr && static_cast<const detail::Call *>(node)->unary) detail::forgetCall(call);
    return detail::note(host::proxy_grpc_close(call));
  }

  /** Gives a gRPC call or stream up: nothing of it is heard any more. */
  Status grpcCancel(uint32_t call) {
    detail::forgetCall(call);
    return detail::note(host::proxy_grpc_cancel(call));
  }

 private:
  friend class RootContext;
  friend class StreamContext;
  friend struct detail::Access;
  explicit Context(RootContext *root) : root_(root) { detail::Node::id = detail::nextId; }

  /** The root of a stream; null for a root context. */
  RootContext *root_;
};

/**
 * One configured filter on one thread of the proxy. Extend it for what outlives a single request: a parsed
 * configuration, a timer, answers to background calls. A filter that needs none of that has no root class of its own.
 *
 * Override a method, publicly, to receive its callback.
 */
class RootContext : public Context {
 public:
  RootContext() : Context(nullptr), rootId_(detail::nextRootId) {}

  /** The root id this filter is configured with. */
  std::string_view rootId() const { return rootId_; }

  /** The plugin configuration, empty when there is none. A structured one arrives as JSON. */
  const std::string &configuration() const { return configuration_; }

  /** The VM's own configuration, shared by all filters of the VM. */
  std::string vmConfiguration() const { return Body(6).bytes(); }

  /** The VM has started. Only the first filter of a VM hears it. `false` refuses the whole VM. */
  virtual bool onVmStart() { return true; }

  /** `configuration()` is there, or has changed. `false` makes the proxy refuse the configuration. */
  virtual bool onConfigure() { return true; }

  /** The period set with `setTickPeriod` has passed. */
  virtual void onTick() {}

  /** Somebody put an item into a queue that this context made; others may have emptied it already. */
  virtual void onQueueReady(SharedQueue /*queue*/) {}

  /** The proxy calls the filter for a purpose of its own. */
  virtual void onForeignFunction(uint32_t /*id*/, Body /*argument*/) {}

  /** Calls `onTick` every so many milliseconds from now on; 0 stops it. There is one timer per root context. */
  Status setTickPeriod(uint32_t milliseconds) {
    return detail::note(host::proxy_set_tick_period_milliseconds(milliseconds));
  }

  /** Ends the wait that `onDone` asked for by returning `false`. */
  Status done() { return detail::note(host::proxy_done()); }

 private:
  friend struct detail::Access;
  std::string_view rootId_;
  std::string configuration_;
  StreamContext *(*makeStream_)() = nullptr;
};

/**
 * One HTTP request with its response, or one TCP connection. Extend it and override, publicly, the callbacks you want:
 * the proxy does not enter the filter for the others. Members keep their values from callback to callback; `root()` is
 * there already in constructors and member initialisers.
 */
class StreamContext : public Context {
 public:
  /** What `root()` is. */
  using Root = RootContext;

  StreamContext() : Context(detail::nextRoot) {}

  /** The configured filter this stream runs through. */
  RootContext &root() const { return *root_; }

  HeaderMap requestHeaders() const { return HeaderMap(0); }
  Body requestBody() const { return Body(0); }
  HeaderMap requestTrailers() const { return HeaderMap(1); }
  HeaderMap responseHeaders() const { return HeaderMap(2); }
  Body responseBody() const { return Body(1); }
  HeaderMap responseTrailers() const { return HeaderMap(3); }
  /** TCP: bytes from the client. */
  Body downstreamData() const { return Body(2); }
  /** TCP: bytes from the upstream. */
  Body upstreamData() const { return Body(3); }

  /** Request headers have arrived; `endOfStream` when no body and no trailers follow. */
  virtual HeadersAction onRequestHeaders(bool /*endOfStream*/) { return HeadersAction::Continue; }

  /** A piece of the request body, `size` bytes with what was held before; `endOfStream` with the last one. */
  virtual BodyAction onRequestBody(uint32_t /*size*/, bool /*endOfStream*/) { return BodyAction::Continue; }

  /** The request ends with trailers; no body callback had `endOfStream` then. */
  virtual Action onRequestTrailers() { return Action::Continue; }

  /** Response headers have arrived, from the upstream or from a local reply of this filter. */
  virtual HeadersAction onResponseHeaders(bool /*endOfStream*/) { return HeadersAction::Continue; }

  /** A piece of the response body, `size` bytes with what was held before; `endOfStream` with the last one. */
  virtual BodyAction onResponseBody(uint32_t /*size*/, bool /*endOfStream*/) { return BodyAction::Continue; }

  /** The response ends with trailers; no body callback had `endOfStream` then. */
  virtual Action onResponseTrailers() { return Action::Continue; }

  /** TCP: a client has connected. */
  virtual Action onNewConnection() { return Action::Continue; }

  /** TCP: bytes from the client. */
  virtual Action onDownstreamData(uint32_t /*size*/, bool /*endOfStream*/) { return Action::Continue; }

  /** TCP: bytes from the upstream. */
  virtual Action onUpstreamData(uint32_t /*size*/, bool /*endOfStream*/) { return Action::Continue; }

  /** TCP: the connection to the client is closed. */
  virtual void onDownstreamConnectionClose(PeerType /*closedBy*/) {}

  /** TCP: the connection to the upstream is closed. */
  virtual void onUpstreamConnectionClose(PeerType /*closedBy*/) {}

  /**
   * Lets a paused request go on. `BadArgument`, without asking the proxy, when the request is not paused: Envoy would
   * send it twice. To go on from within a callback just return `Continue`.
   */
  Status continueRequest() { return resume(0); }

  /** Lets a paused response go on; `BadArgument`, without asking the proxy, when it is not paused. */
  Status continueResponse() { return resume(1); }

  /** TCP: lets paused bytes from the client go on. */
  Status continueDownstream() { return resume(2); }

  /** Resets an HTTP stream, or closes a TCP connection after flushing. */
  Status close() { return detail::note(host::proxy_close_stream(0)); }

  /** TCP: closes the connection to the client after flushing. */
  Status closeDownstream() { return detail::note(host::proxy_close_stream(2)); }

  /** TCP: closes the connection to the upstream. */
  Status closeUpstream() { return detail::note(host::proxy_close_stream(3)); }

  /**
   * Answers the request from here: the upstream never sees it, or its response is dropped. What the callback returns
   * afterwards does not matter. Sent from a request callback, the reply passes through this filter's response
   * callbacks.
   *
   * @param status The HTTP status, such as 403.
   * @param headers More headers: `{{"www-authenticate", "Basic"}}`.
   * @param grpcStatus For gRPC clients; -1 lets the proxy derive it from the HTTP status.
   * @param details A word for the access log's "response code details".
   */
  Status sendLocalReply(uint32_t status, std::string_view body = "", const PairList &headers = {},
                        int32_t grpcStatus = -1, std::string_view details = "") {
    return detail::note(host::proxy_send_local_response(status, details.data(), details.size(), body.data(),
                                                        body.size(), headers.data(), headers.size(), grpcStatus));
  }

  /**
   * Makes the rest of this callback act on this stream: for a root context that resumes or answers a paused stream from
   * `onTick`, `onQueueReady` or its own `onHttpCallResponse`. `BadArgument` if the stream is gone.
   */
  Status makeCurrent() { return detail::note(host::proxy_set_effective_context(id())); }

 private:
  friend struct detail::Access;

  Status resume(uint32_t direction) {
    const uint32_t bit = 1u << direction;
    if ((paused_ & bit) == 0) return detail::note(static_cast<uint32_t>(Status::BadArgument));
    paused_ &= ~bit;
    return detail::note(host::proxy_continue_stream(direction));
  }

  /** Bit `n` is set while direction `n` (0 request, 1 response, 2 downstream, 3 upstream) is paused. */
  uint32_t paused_ = 0;
};

/** A stream context of a filter with a root class of its own: `root()` is a `RootClass`. */
template <class RootClass>
class StreamContextOf : public StreamContext {
 public:
  using Root = RootClass;
  RootClass &root() const { return static_cast<RootClass &>(StreamContext::root()); }
};

// ---------------------------------------------------------------------------------------------------------------------
// The functions the proxy calls, each passed on to the context it is meant for. Each is a template, so that it becomes
// part of the module only when a registration below asks for it, and is there once whatever number asks. Contexts that
// are not known, such as root contexts in `proxy_on_log`, are answered "continue".

namespace detail {

/** How to make the contexts of one root id. */
struct Registration {
  std::string_view rootId;
  RootContext *(*makeRoot)();
  StreamContext *(*makeStream)();
  const Registration *next;
};

/** In no order. A module has a handful at most. */
inline const Registration *registrations = nullptr;

struct Access {
  static Context *context(uint32_t id) { return static_cast<Context *>(contexts.find(id)); }

  static RootContext *root(uint32_t id) {
    Context *found = context(id);
    return found == nullptr || found->root_ != nullptr ? nullptr : static_cast<RootContext *>(found);
  }

  /** The stream; null for root contexts, and for streams that are not known. */
  static StreamContext *stream(uint32_t id) {
    Context *found = context(id);
    return found == nullptr || found->root_ == nullptr ? nullptr : static_cast<StreamContext *>(found);
  }

  static void addRoot(uint32_t id) {
    const std::string rootId = getProperty("plugin_root_id").value_or("");
    const Registration *found = registrations;
    // A proxy that gives no root id gets the module's only filter.
    const bool any = rootId.empty() && found != nullptr && found->next == nullptr;
    while (!any && found != nullptr && found->rootId != rootId) found = found->next;
    if (found == nullptr) return refuse(rootId);
    nextId = id;
    nextRootId = found->rootId;
    RootContext *root = found->makeRoot();
    root->makeStream_ = found->makeStream;
    contexts.add(root);
  }

  static void addStream(uint32_t id, uint32_t parentId) {
    RootContext *parent = root(parentId);
    if (parent == nullptr) return;
    nextId = id;
    nextRoot = parent;
    contexts.add(parent->makeStream_());
  }

  static bool configure(uint32_t id, uint32_t size) {
    RootContext *found = root(id);
    if (found == nullptr) return false;
    found->configuration_ = size > 0 ? Body(7).bytes(0, size) : std::string();
    return found->onConfigure();
  }

  static void remove(uint32_t id) {
    Context *found = context(id);
    if (found == nullptr) return;
    found->onDelete();
    contexts.take(id);
    delete found;
  }

  /** The context that made a call, made the current one; null if it is gone. */
  static Context *caller(uint32_t token, bool last) {
    Call *call = static_cast<Call *>(calls.find(token));
    if (call == nullptr) return nullptr;
    const uint32_t id = call->context;
    if (last || call->unary) forgetCall(token);
    Context *found = context(id);
    if (found == nullptr || found->root_ == nullptr) return found;
    return host::proxy_set_effective_context(id) == 0 ? found : nullptr;
  }

  /** Notes whether a direction is paused now, for `continueRequest` and `continueResponse`. */
  template <class Answer>
  static uint32_t remember(StreamContext *stream, uint32_t direction, Answer answer) {
    const uint32_t bit = 1u << direction;
    stream->paused_ = answer == Answer::Continue ? stream->paused_ & ~bit : stream->paused_ | bit;
    return static_cast<uint32_t>(answer);
  }

 private:
  static void refuse(const std::string &rootId) {
    std::string known;
    for (const Registration *item = registrations; item != nullptr; item = item->next) {
      known = concat(item->rootId, known.empty() ? "" : ", ", known);
    }
    log::critical(concat("no filter is registered for root id \"", rootId, "\"; this module has: ", known));
  }
};

/** Its name tells the proxy the version of the interface. Never called. */
template <class = void>
struct AbiVersion {
  PROXY_WASM_EXPORT(proxy_abi_version_0_2_1) static void call() {}
};

/** Memory for what the proxy writes; freed by the reader. */
template <class = void>
struct OnMemoryAllocate {
  PROXY_WASM_EXPORT(proxy_on_memory_allocate) static void *call(uint32_t size) { return std::malloc(size); }
};

template <class = void>
struct OnContextCreate {
  PROXY_WASM_EXPORT(proxy_on_context_create) static void call(uint32_t id, uint32_t parentId) {
    if (parentId == 0) Access::addRoot(id);
    else Access::addStream(id, parentId);
  }
};

template <class = void>
struct OnVmStart {
  PROXY_WASM_EXPORT(proxy_on_vm_start) static uint32_t call(uint32_t id, uint32_t) {
    RootContext *root = Access::root(id);
    return root != nullptr && root->onVmStart();
  }
};

template <class = void>
struct OnConfigure {
  PROXY_WASM_EXPORT(proxy_on_configure) static uint32_t call(uint32_t id, uint32_t size) {
    return Access::configure(id, size);
  }
};

template <class = void>
struct OnTick {
  PROXY_WASM_EXPORT(proxy_on_tick) static void call(uint32_t id) {
    if (RootContext *root = Access::root(id)) root->onTick();
  }
};

template <class = void>
struct OnQueueReady {
  PROXY_WASM_EXPORT(proxy_on_queue_ready) static void call(uint32_t id, uint32_t queue) {
    if (RootContext *root = Access::root(id)) root->onQueueReady(SharedQueue(queue));
  }
};

template <class = void>
struct OnForeignFunction {
  PROXY_WASM_EXPORT(proxy_on_foreign_function) static void call(uint32_t id, uint32_t functionId, uint32_t) {
    if (RootContext *root = Access::root(id)) root->onForeignFunction(functionId, Body(8));
  }
};

template <class>
struct OnHttpCallResponse {
  PROXY_WASM_EXPORT(proxy_on_http_call_response)
  static void call(uint32_t, uint32_t token, uint32_t, uint32_t bodySize, uint32_t) {
    Context *caller = Access::caller(token, true);
    if (caller != nullptr) caller->onHttpCallResponse(token, HttpCallResponse(bodySize));
  }
};

template <class = void>
struct OnGrpcInitialMetadata {
  PROXY_WASM_EXPORT(proxy_on_grpc_receive_initial_metadata) static void call(uint32_t, uint32_t token, uint32_t) {
    if (Context *caller = Access::caller(token, false)) caller->onGrpcInitialMetadata(token, HeaderMap(4));
  }
};

template <class>
struct OnGrpcReceive {
  PROXY_WASM_EXPORT(proxy_on_grpc_receive) static void call(uint32_t, uint32_t token, uint32_t) {
    if (Context *caller = Access::caller(token, false)) caller->onGrpcMessage(token, Body(5));
  }
};

template <class = void>
struct OnGrpcTrailingMetadata {
  PROXY_WASM_EXPORT(proxy_on_grpc_receive_trailing_metadata) static void call(uint32_t, uint32_t token, uint32_t) {
    if (Context *caller = Access::caller(token, false)) caller->onGrpcTrailingMetadata(token, HeaderMap(5));
  }
};

template <class>
struct OnGrpcClose {
  PROXY_WASM_EXPORT(proxy_on_grpc_close) static void call(uint32_t, uint32_t token, uint32_t code) {
    // The message is the root context's, and can be read only before another one is made the current one.
    Incoming message;
    host::proxy_get_status(&code, &message.data, &message.size);
    const GrpcStatus status{code, message.text()};
    if (Context *caller = Access::caller(token, true)) caller->onGrpcClose(token, status);
  }
};

template <class = void>
struct OnRequestHeaders {
  PROXY_WASM_EXPORT(proxy_on_request_headers) static uint32_t call(uint32_t id, uint32_t, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 0, stream->onRequestHeaders(endOfStream != 0));
  }
};

template <class = void>
struct OnRequestBody {
  PROXY_WASM_EXPORT(proxy_on_request_body) static uint32_t call(uint32_t id, uint32_t size, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 0, stream->onRequestBody(size, endOfStream != 0));
  }
};

template <class = void>
struct OnRequestTrailers {
  PROXY_WASM_EXPORT(proxy_on_request_trailers) static uint32_t call(uint32_t id, uint32_t) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 0, stream->onRequestTrailers());
  }
};

template <class = void>
struct OnResponseHeaders {
  PROXY_WASM_EXPORT(proxy_on_response_headers) static uint32_t call(uint32_t id, uint32_t, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 1, stream->onResponseHeaders(endOfStream != 0));
  }
};

template <class = void>
struct OnResponseBody {
  PROXY_WASM_EXPORT(proxy_on_response_body) static uint32_t call(uint32_t id, uint32_t size, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 1, stream->onResponseBody(size, endOfStream != 0));
  }
};

template <class = void>
struct OnResponseTrailers {
  PROXY_WASM_EXPORT(proxy_on_response_trailers) static uint32_t call(uint32_t id, uint32_t) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 1, stream->onResponseTrailers());
  }
};

template <class = void>
struct OnNewConnection {
  PROXY_WASM_EXPORT(proxy_on_new_connection) static uint32_t call(uint32_t id) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 2, stream->onNewConnection());
  }
};

template <class = void>
struct OnDownstreamData {
  PROXY_WASM_EXPORT(proxy_on_downstream_data) static uint32_t call(uint32_t id, uint32_t size, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 2, stream->onDownstreamData(size, endOfStream != 0));
  }
};

template <class = void>
struct OnUpstreamData {
  PROXY_WASM_EXPORT(proxy_on_upstream_data) static uint32_t call(uint32_t id, uint32_t size, uint32_t endOfStream) {
    StreamContext *stream = Access::stream(id);
    return stream == nullptr ? 0 : Access::remember(stream, 3, stream->onUpstreamData(size, endOfStream != 0));
  }
};

template <class = void>
struct OnDownstreamConnectionClose {
  PROXY_WASM_EXPORT(proxy_on_downstream_connection_close) static void call(uint32_t id, uint32_t closedBy) {
    if (StreamContext *stream = Access::stream(id)) {
      stream->onDownstreamConnectionClose(static_cast<PeerType>(closedBy));
    }
  }
};

template <class = void>
struct OnUpstreamConnectionClose {
  PROXY_WASM_EXPORT(proxy_on_upstream_connection_close) static void call(uint32_t id, uint32_t closedBy) {
    if (StreamContext *stream = Access::stream(id)) stream->onUpstreamConnectionClose(static_cast<PeerType>(closedBy));
  }
};

template <class = void>
struct OnDone {
  PROXY_WASM_EXPORT(proxy_on_done) static uint32_t call(uint32_t id) {
    Context *context = Access::context(id);
    return context == nullptr || context->onDone();
  }
};

template <class = void>
struct OnLog {
  PROXY_WASM_EXPORT(proxy_on_log) static void call(uint32_t id) {
    if (Context *context = Access::context(id)) context->onLog();
  }
};

template <class = void>
struct OnDelete {
  PROXY_WASM_EXPORT(proxy_on_delete) static void call(uint32_t id) { Access::remove(id); }
};

// ---------------------------------------------------------------------------------------------------------------------
// Which callbacks a class overrides

/** The class and the type of a member function. */
template <class Member>
struct MemberOf;
template <class Type, class Class>
struct MemberOf<Type Class::*> {
  using In = Class;
  using Function = Type;
};

template <class Class>
inline constexpr bool isBase =
    std::is_same_v<Class, Context> || std::is_same_v<Class, RootContext> || std::is_same_v<Class, StreamContext>;

template <class Member, class BaseMember>
constexpr bool checkOverride() {
  static_assert(std::is_same_v<typename MemberOf<Member>::Function, typename MemberOf<BaseMember>::Function>,
                "this callback has other parameters, or another result, than in the base class, and would never be "
                "called: write override behind it to see the difference");
  return true;
}

/** Whether a class overrides a method. One that is private or overloaded cannot be looked at and counts as overridden. */
#define PROXY_WASM_OVERRIDES(method)                                                                 \
  template <class Class, class Base, class = void>                                                   \
  struct Overrides_##method : std::true_type {};                                                     \
  template <class Class, class Base>                                                                 \
  struct Overrides_##method<Class, Base, std::void_t<decltype(&Class::method)>>                      \
      : std::bool_constant<!isBase<typename MemberOf<decltype(&Class::method)>::In> &&               \
                           checkOverride<decltype(&Class::method), decltype(&Base::method)>()> {}

PROXY_WASM_OVERRIDES(onVmStart);
PROXY_WASM_OVERRIDES(onTick);
PROXY_WASM_OVERRIDES(onQueueReady);
PROXY_WASM_OVERRIDES(onForeignFunction);
PROXY_WASM_OVERRIDES(onHttpCallResponse);
PROXY_WASM_OVERRIDES(onGrpcInitialMetadata);
PROXY_WASM_OVERRIDES(onGrpcMessage);
PROXY_WASM_OVERRIDES(onGrpcTrailingMetadata);
PROXY_WASM_OVERRIDES(onGrpcClose);
PROXY_WASM_OVERRIDES(onRequestHeaders);
PROXY_WASM_OVERRIDES(onRequestBody);
PROXY_WASM_OVERRIDES(onRequestTrailers);
PROXY_WASM_OVERRIDES(onResponseHeaders);
PROXY_WASM_OVERRIDES(onResponseBody);
PROXY_WASM_OVERRIDES(onResponseTrailers);
PROXY_WASM_OVERRIDES(onNewConnection);
PROXY_WASM_OVERRIDES(onDownstreamData);
PROXY_WASM_OVERRIDES(onUpstreamData);
PROXY_WASM_OVERRIDES(onDownstreamConnectionClose);
PROXY_WASM_OVERRIDES(onUpstreamConnectionClose);
PROXY_WASM_OVERRIDES(onDone);
PROXY_WASM_OVERRIDES(onLog);
PROXY_WASM_OVERRIDES(onConfigure);
PROXY_WASM_OVERRIDES(onDelete);

/** `void`, in a way that only an instantiation knows: what is named with it is made then, and not before. */
template <class>
struct Later {
  using Void = void;
};

/** Asks for the exports that a pair of classes needs. */
template <class Stream, class Root>
void exportUsed() {
#define PROXY_WASM_KEEP(Export) (void)&Export<typename Later<Stream>::Void>::call
#define PROXY_WASM_KEEP_IF(Class, Base, Export, method) \
  if constexpr (Overrides_##method<Class, Base>::value) PROXY_WASM_KEEP(Export)
#define PROXY_WASM_KEEP_EITHER(Export, method)                                                             \
  if constexpr (Overrides_##method<Stream, Context>::value || Overrides_##method<Root, Context>::value) \
  PROXY_WASM_KEEP(Export)
  PROXY_WASM_KEEP(AbiVersion);
  PROXY_WASM_KEEP(OnMemoryAllocate);
  PROXY_WASM_KEEP(OnContextCreate);
  PROXY_WASM_KEEP(OnConfigure);
  PROXY_WASM_KEEP(OnDelete);
  static_assert(Overrides_onConfigure<Root, RootContext>::value || true);
  static_assert(Overrides_onDelete<Stream, Context>::value || Overrides_onDelete<Root, Context>::value || true);
  PROXY_WASM_KEEP_IF(Root, RootContext, OnVmStart, onVmStart);
  PROXY_WASM_KEEP_IF(Root, RootContext, OnTick, onTick);
  PROXY_WASM_KEEP_IF(Root, RootContext, OnQueueReady, onQueueReady);
  PROXY_WASM_KEEP_IF(Root, RootContext, OnForeignFunction, onForeignFunction);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnRequestHeaders, onRequestHeaders);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnRequestBody, onRequestBody);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnRequestTrailers, onRequestTrailers);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnResponseHeaders, onResponseHeaders);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnResponseBody, onResponseBody);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnResponseTrailers, onResponseTrailers);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnNewConnection, onNewConnection);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnDownstreamData, onDownstreamData);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnUpstreamData, onUpstreamData);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnDownstreamConnectionClose, onDownstreamConnectionClose);
  PROXY_WASM_KEEP_IF(Stream, StreamContext, OnUpstreamConnectionClose, onUpstreamConnectionClose);
  PROXY_WASM_KEEP_EITHER(OnHttpCallResponse, onHttpCallResponse);
  PROXY_WASM_KEEP_EITHER(OnGrpcInitialMetadata, onGrpcInitialMetadata);
  PROXY_WASM_KEEP_EITHER(OnGrpcReceive, onGrpcMessage);
  PROXY_WASM_KEEP_EITHER(OnGrpcTrailingMetadata, onGrpcTrailingMetadata);
  PROXY_WASM_KEEP_EITHER(OnGrpcClose, onGrpcClose);
  PROXY_WASM_KEEP_EITHER(OnDone, onDone);
  PROXY_WASM_KEEP_EITHER(OnLog, onLog);
#undef PROXY_WASM_KEEP_EITHER
#undef PROXY_WASM_KEEP_IF
#undef PROXY_WASM_KEEP
}

/** Puts itself into the list when the module starts. */
template <class Stream, class Root>
struct Registrar : Registration {
  static_assert(std::is_base_of_v<StreamContext, Stream>, "the class of a filter extends StreamContext");
  static_assert(std::is_base_of_v<RootContext, Root>, "the root class of a filter extends RootContext");

  explicit Registrar(std::string_view rootId)
      : Registration{rootId, []() -> RootContext * { return new Root(); },
                     []() -> StreamContext * { return new Stream(); }, registrations} {
    registrations = this;
    exportUsed<Stream, Root>();
  }
};

}  // namespace detail
}  // namespace proxy_wasm

// ---------------------------------------------------------------------------------------------------------------------
// Registration

#define PROXY_WASM_JOIN_(a, b) a##b
#define PROXY_WASM_JOIN(a, b) PROXY_WASM_JOIN_(a, b)
#define PROXY_WASM_REGISTER(rootId, ...)                                                                           \
  namespace {                                                                                                      \
  const ::proxy_wasm::detail::Registrar<__VA_ARGS__> PROXY_WASM_JOIN(proxyWasmRegistrar, __COUNTER__)(rootId); \
  }

/**
 * Makes a class the filter of a root id: `PROXY_WASM_FILTER("add_header", AddHeader)`, behind the class and outside
 * every function. Its root class is the one of its `StreamContextOf`.
 */
#define PROXY_WASM_FILTER(rootId, Stream) PROXY_WASM_REGISTER(rootId, Stream, Stream::Root)

/** Makes a class a service without streams (a timer, a queue worker) under a root id. */
#define PROXY_WASM_SERVICE(rootId, Root) PROXY_WASM_REGISTER(rootId, ::proxy_wasm::StreamContext, Root)

// ---------------------------------------------------------------------------------------------------------------------
// What a trap says. The standard library would bring `printf` and the files of WASI with it: 20 KB, and imports that a
// filter has no use for.

namespace proxy_wasm {
namespace detail {

/** One line in the proxy's log, then a trap, so that the proxy's failure policy decides. */
[[noreturn]] inline void trap(const char *why) {
  host::proxy_log(static_cast<uint32_t>(LogLevel::Critical), why, std::strlen(why));
  __builtin_trap();
}

}  // namespace detail
}  // namespace proxy_wasm

extern "C" {
// std::__libcpp_verbose_abort: where libc++ goes instead of throwing (a bad index of `at`, a text that is too long).
__attribute__((weak, noreturn)) void proxyWasmAbort1(const char *why, ...) __asm__(
    "_ZNSt3__122__libcpp_verbose_abortEPKcz");
__attribute__((weak, noreturn)) void proxyWasmAbort1(const char *why, ...) { proxy_wasm::detail::trap(why); }
// The same in emscripten's libc++.
__attribute__((weak, noreturn)) void proxyWasmAbort2(const char *why, ...) __asm__(
    "_ZNSt3__222__libcpp_verbose_abortEPKcz");
__attribute__((weak, noreturn)) void proxyWasmAbort2(const char *why, ...) { proxy_wasm::detail::trap(why); }
}

namespace proxy_wasm {
namespace detail {

inline void *orTrap(void *memory) {
  if (memory == nullptr) trap("out of memory");
  return memory;
}

}  // namespace detail
}  // namespace proxy_wasm

#define PROXY_WASM_WEAK __attribute__((weak))
PROXY_WASM_WEAK void *operator new(size_t size) { return proxy_wasm::detail::orTrap(std::malloc(size)); }
PROXY_WASM_WEAK void *operator new[](size_t size) { return operator new(size); }
PROXY_WASM_WEAK void *operator new(size_t size, std::align_val_t alignment) {
  return proxy_wasm::detail::orTrap(aligned_alloc(static_cast<size_t>(alignment), size));
}
PROXY_WASM_WEAK void *operator new[](size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
PROXY_WASM_WEAK void operator delete(void *memory) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete[](void *memory) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete(void *memory, size_t) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete[](void *memory, size_t) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete(void *memory, std::align_val_t) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete[](void *memory, std::align_val_t) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete(void *memory, size_t, std::align_val_t) noexcept { std::free(memory); }
PROXY_WASM_WEAK void operator delete[](void *memory, size_t, std::align_val_t) noexcept { std::free(memory); }
#undef PROXY_WASM_WEAK
