import type { GuestFunction } from "./webassembly.ts";

/** The callbacks of a guest that streams make, each in a field of its own: looked up once, not per call. */
export interface StreamCallbacks {
  readonly contextCreate: GuestFunction | undefined;
  readonly requestHeaders: GuestFunction | undefined;
  readonly requestBody: GuestFunction | undefined;
  readonly requestTrailers: GuestFunction | undefined;
  readonly requestMetadata: GuestFunction | undefined;
  readonly responseHeaders: GuestFunction | undefined;
  readonly responseBody: GuestFunction | undefined;
  readonly responseTrailers: GuestFunction | undefined;
  readonly responseMetadata: GuestFunction | undefined;
  readonly newConnection: GuestFunction | undefined;
  readonly downstreamData: GuestFunction | undefined;
  readonly upstreamData: GuestFunction | undefined;
  readonly downstreamClose: GuestFunction | undefined;
  readonly upstreamClose: GuestFunction | undefined;
  readonly done: GuestFunction | undefined;
  readonly log: GuestFunction | undefined;
  readonly delete: GuestFunction | undefined;
}

/** The callbacks a host makes, by name: those that are exported and not held back. */
export type CallbackTable = ReadonlyMap<string, GuestFunction>;

/** The part of the table that streams use. */
export function streamCallbacks(table: CallbackTable): StreamCallbacks {
  return {
    contextCreate: table.get("proxy_on_context_create"),
    requestHeaders: table.get("proxy_on_request_headers"),
    requestBody: table.get("proxy_on_request_body"),
    requestTrailers: table.get("proxy_on_request_trailers"),
    requestMetadata: table.get("proxy_on_request_metadata"),
    responseHeaders: table.get("proxy_on_response_headers"),
    responseBody: table.get("proxy_on_response_body"),
    responseTrailers: table.get("proxy_on_response_trailers"),
    responseMetadata: table.get("proxy_on_response_metadata"),
    newConnection: table.get("proxy_on_new_connection"),
    downstreamData: table.get("proxy_on_downstream_data"),
    upstreamData: table.get("proxy_on_upstream_data"),
    downstreamClose: table.get("proxy_on_downstream_connection_close"),
    upstreamClose: table.get("proxy_on_upstream_connection_close"),
    done: table.get("proxy_on_done"),
    log: table.get("proxy_on_log"),
    delete: table.get("proxy_on_delete"),
  };
}
