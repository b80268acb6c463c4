import { HeadersAction, StreamContext, registerFilter } from "./proxy-wasm";
export * from "./proxy-wasm/exports";

/** Adds the response header `hello`: the plugin configuration, or "world" when there is none. */
class AddHeader extends StreamContext {
  override onResponseHeaders(endOfStream: bool): HeadersAction {
    const configuration = this.root.configuration;
    this.responseHeaders.add("hello", configuration.length > 0 ? configuration : "world");
    return HeadersAction.Continue;
  }
}

registerFilter<AddHeader>("add_header");
