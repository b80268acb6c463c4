/**
 * A thin AssemblyScript SDK for Proxy-Wasm 0.2.1. A filter is one class that extends `StreamContext` and is registered
 * under a root id. gRPC callouts are not covered.
 */
export { Action, BodyAction, HeadersAction, PeerType } from "./actions";
export { Body } from "./body";
export { currentTimeMilliseconds, currentTimeNanoseconds } from "./clock";
export { ConfigurationObject, readConfiguration } from "./configuration";
export { callForeignFunction } from "./foreign-function";
export { HeaderMap } from "./header-map";
export { HttpCallResponse } from "./http-call";
export { JsonKind, JsonReader, JsonValue } from "./json";
export { LogLevel, log, logAt, logEnabled } from "./log";
export { decodeText, encodeText } from "./memory";
export { Counter, Gauge, Histogram } from "./metrics";
export { decodePairs } from "./pairs";
export { getBoolProperty, getNumberProperty, getProperty, getTextProperty, setProperty } from "./properties";
export { registerFilter, registerFilterWithRoot, registerService } from "./registry";
export { RootContext } from "./root-context";
export { SharedData, getSharedData, setSharedData } from "./shared-data";
export { SharedQueue } from "./shared-queue";
export { Status, lastStatus } from "./status";
export { StreamContext } from "./stream-context";
