#include "proxy-wasm.h"

using namespace proxy_wasm;

/** Adds the response header `hello`: the plugin configuration, or "world" when there is none. */
class AddHeader : public StreamContext {
 public:
  HeadersAction onResponseHeaders(bool /*endOfStream*/) override {
    const std::string &configuration = root().configuration();
    responseHeaders().add("hello", configuration.empty() ? "world" : configuration);
    return HeadersAction::Continue;
  }
};

PROXY_WASM_FILTER("add_header", AddHeader)
