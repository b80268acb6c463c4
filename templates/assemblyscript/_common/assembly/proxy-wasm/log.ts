import { proxy_get_log_level, proxy_log } from "./host";
import { OUT, nameOut, outNumber } from "./memory";

/** How important a log line is. The proxy drops what lies below its own level. */
export const enum LogLevel {
  Trace = 0,
  Debug = 1,
  Info = 2,
  Warn = 3,
  Error = 4,
  Critical = 5,
}

/** Writes one line to the proxy's log. */
export function logAt(level: LogLevel, message: string): void {
  nameOut.setText(message);
  proxy_log(level, nameOut.address, nameOut.size);
}

/** Whether the proxy would keep a line of this level: ask before building an expensive message for every request. */
export function logEnabled(level: LogLevel): bool {
  return proxy_get_log_level(OUT) == 0 && level >= <i32>outNumber();
}

/** The filter's log: `log.info("configured")`. */
export namespace log {
  export function trace(message: string): void {
    logAt(LogLevel.Trace, message);
  }
  export function debug(message: string): void {
    logAt(LogLevel.Debug, message);
  }
  export function info(message: string): void {
    logAt(LogLevel.Info, message);
  }
  export function warn(message: string): void {
    logAt(LogLevel.Warn, message);
  }
  export function error(message: string): void {
    logAt(LogLevel.Error, message);
  }
  export function critical(message: string): void {
    logAt(LogLevel.Critical, message);
  }
}
