/**
 * The functions the proxy calls, each passed on to the context it is meant for. A filter's entry file re-exports this
 * file; `export-only-used.mjs` then drops the callbacks that no class of the filter overrides. Contexts that are not
 * known, such as root contexts in `proxy_on_log`, are answered "continue".
 */
import { Action, BodyAction, HeadersAction, PeerType } from "./actions";
import { foreignArgumentsBuffer, pluginConfigurationBuffer } from "./body";
import { proxy_set_effective_context } from "./host";
import { HttpCallResponse, takeCaller } from "./http-call";
import { addRoot, addStream, findRoot, findStream, removeContext } from "./live-contexts";
import { log } from "./log";
import { getTextProperty } from "./properties";
import { findRegistration, registeredRootIds } from "./registry";
import { SharedQueue } from "./shared-queue";
import { StreamContext } from "./stream-context";

// Brings the function that `asconfig.json` names as `abort` into the program.
import "./abort";

/** Its name tells the proxy the version of the interface. Never called. */
export function proxy_abi_version_0_2_1(): void {}

/** Memory for what the proxy writes; freed by the reader, not by the garbage collector. */
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

export function proxy_on_context_create(id: u32, parentId: u32): void {
  if (parentId != 0) {
    addStream(id, parentId);
    return;
  }
  const property = getTextProperty("plugin_root_id");
  const rootId = property ? property : "";
  const registration = findRegistration(rootId);
  if (registration) {
    addRoot(id, rootId, registration);
  } else {
    log.critical('no filter is registered for root id "' + rootId + '"; this module has: ' + registeredRootIds());
  }
}

export function proxy_on_vm_start(id: u32, configurationSize: u32): u32 {
  const root = findRoot(id);
  return root && root.onVmStart() ? 1 : 0;
}

export function proxy_on_configure(id: u32, configurationSize: u32): u32 {
  const root = findRoot(id);
  if (!root) return 0;
  root.configuration = configurationSize > 0 ? pluginConfigurationBuffer.text(0, configurationSize) : "";
  return root.onConfigure() ? 1 : 0;
}

export function proxy_on_tick(id: u32): void {
  const root = findRoot(id);
  if (root) root.onTick();
}

export function proxy_on_queue_ready(id: u32, queue: u32): void {
  const root = findRoot(id);
  if (root) root.onQueueReady(new SharedQueue(queue));
}

export function proxy_on_foreign_function(id: u32, functionId: u32, size: u32): void {
  const root = findRoot(id);
  if (root) root.onForeignFunction(functionId, foreignArgumentsBuffer);
}

/** Proxies answer to the root context; the answer goes to whoever made the call, if that stream still exists. */
export function proxy_on_http_call_response(
  id: u32,
  call: u32,
  headerCount: u32,
  bodySize: u32,
  trailerCount: u32,
): void {
  const caller = takeCaller(call);
  const stream = findStream(caller);
  if (stream) {
    if (proxy_set_effective_context(caller) == 0) stream.onHttpCallResponse(call, new HttpCallResponse(bodySize));
    return;
  }
  const root = findRoot(caller);
  if (root) root.onHttpCallResponse(call, new HttpCallResponse(bodySize));
}

export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): HeadersAction {
  const stream = findStream(id);
  if (!stream) return HeadersAction.Continue;
  return remember(stream, 0, stream.onRequestHeaders(endOfStream != 0));
}

export function proxy_on_request_body(id: u32, size: u32, endOfStream: u32): BodyAction {
  const stream = findStream(id);
  if (!stream) return BodyAction.Continue;
  return remember(stream, 0, stream.onRequestBody(size, endOfStream != 0));
}

export function proxy_on_request_trailers(id: u32, count: u32): Action {
  const stream = findStream(id);
  if (!stream) return Action.Continue;
  return remember(stream, 0, stream.onRequestTrailers());
}

export function proxy_on_response_headers(id: u32, count: u32, endOfStream: u32): HeadersAction {
  const stream = findStream(id);
  if (!stream) return HeadersAction.Continue;
  return remember(stream, 1, stream.onResponseHeaders(endOfStream != 0));
}

export function proxy_on_response_body(id: u32, size: u32, endOfStream: u32): BodyAction {
  const stream = findStream(id);
  if (!stream) return BodyAction.Continue;
  return remember(stream, 1, stream.onResponseBody(size, endOfStream != 0));
}

export function proxy_on_response_trailers(id: u32, count: u32): Action {
  const stream = findStream(id);
  if (!stream) return Action.Continue;
  return remember(stream, 1, stream.onResponseTrailers());
}

export function proxy_on_new_connection(id: u32): Action {
  const stream = findStream(id);
  if (!stream) return Action.Continue;
  return remember(stream, 2, stream.onNewConnection());
}

export function proxy_on_downstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const stream = findStream(id);
  if (!stream) return Action.Continue;
  return remember(stream, 2, stream.onDownstreamData(size, endOfStream != 0));
}

export function proxy_on_upstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const stream = findStream(id);
  if (!stream) return Action.Continue;
  return remember(stream, 3, stream.onUpstreamData(size, endOfStream != 0));
}

export function proxy_on_downstream_connection_close(id: u32, closedBy: PeerType): void {
  const stream = findStream(id);
  if (stream) stream.onDownstreamConnectionClose(closedBy);
}

export function proxy_on_upstream_connection_close(id: u32, closedBy: PeerType): void {
  const stream = findStream(id);
  if (stream) stream.onUpstreamConnectionClose(closedBy);
}

export function proxy_on_done(id: u32): u32 {
  const stream = findStream(id);
  if (stream) return stream.onDone() ? 1 : 0;
  const root = findRoot(id);
  return !root || root.onDone() ? 1 : 0;
}

export function proxy_on_log(id: u32): void {
  const stream = findStream(id);
  if (stream) {
    stream.onLog();
    return;
  }
  const root = findRoot(id);
  if (root) root.onLog();
}

export function proxy_on_delete(id: u32): void {
  const stream = findStream(id);
  if (stream) {
    stream.onDelete();
  } else {
    const root = findRoot(id);
    if (root) root.onDelete();
  }
  removeContext(id);
}

/** Notes whether a direction is paused now, for `continueRequest` and `continueResponse`. */
// @ts-ignore: decorator
@inline
function remember(stream: StreamContext, direction: i32, action: i32): i32 {
  const bit: u32 = 1 << direction;
  stream.paused = action == 0 ? stream.paused & ~bit : stream.paused | bit;
  return action;
}
