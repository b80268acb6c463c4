/**
 * `wasme/host`: a Proxy-Wasm host for programs. It runs a filter as Envoy would, without Envoy, in Node and in browsers: no
 * `node:` import, no thread, no timer, no clock of its own. It is synchronous: a filter that loops blocks its caller.
 *
 * Load ({@link loadModule}), start ({@link Host}), send requests through a chain of filters ({@link HttpExchange}) or drive
 * one filter phase by phase ({@link HttpFilter}), watch ({@link HostEnvironment}).
 */
export { BodyBuffer } from "./host/body-buffer.ts";
export type {
  CalloutPort,
  CalloutResponse,
  CalloutStart,
  GrpcCallout,
  GrpcHandle,
  HttpCallout,
} from "./host/callout.ts";
export type { LogLevel } from "./host/enums.ts";
export type { HostClock, HostEnvironment, LogEntry } from "./host/environment.ts";
export {
  type DownstreamSink,
  type ExchangeOptions,
  HttpExchange,
  type PausedIn,
  type UpstreamFailure,
  type UpstreamSink,
} from "./host/exchange/http-exchange.ts";
export { http1RequestHeaders, http1ResponseHeaders, toHttp1 } from "./host/exchange/http1-headers.ts";
export {
  type TcpDownstreamSink,
  TcpExchange,
  type TcpExchangeOptions,
  type TcpUpstreamSink,
} from "./host/exchange/tcp-exchange.ts";
export type { ForeignFunction, ForeignFunctions } from "./host/foreign.ts";
export { HeaderMap } from "./host/header-map.ts";
export { Host, type HostOptions, type StartProblem, type StartResult } from "./host/host.ts";
export type { HostModule } from "./host/host-module.ts";
export type { HostReport, ReportCode, ReportSink } from "./host/host-report.ts";
export type {
  DataStatus,
  HeadersStatus,
  HttpFilter,
  HttpFilterCallbacks,
  HttpFilterFactory,
  LocalReply,
  LogContext,
  TrailersStatus,
} from "./host/http-filter.ts";
export type { MapKind } from "./host/inline-headers.ts";
export { loadModule, loadModuleAsync, type LoadOptions } from "./host/load-module.ts";
export type { MetricReading, MetricStore } from "./host/metrics.ts";
export { ModuleRefused } from "./host/module-refused.ts";
export type {
  ClosedBy,
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterFactory,
  NetworkStatus,
} from "./host/network-filter.ts";
export type { Plugin } from "./host/plugin.ts";
export {
  type FailurePolicy,
  type PluginConfig,
  pluginConfig,
  type PluginSettings,
  type VmConfig,
} from "./host/plugin-config.ts";
export type { ProfileName } from "./host/profile.ts";
export type { SharedDataStore } from "./host/shared-data.ts";
export type { SharedQueueStore } from "./host/shared-queue.ts";
export {
  type Address,
  type FilterStateValue,
  newStreamInfo,
  type PropertyValue,
  type StreamInfo,
  type TlsInfo,
  type UpstreamInfo,
} from "./host/stream-info.ts";
export type { TraceEvent, TraceSink } from "./host/trace.ts";
