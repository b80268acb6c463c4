import { proxy_get_current_time_nanoseconds } from "./host";
import { OUT } from "./memory";

/** The proxy's wall clock: nanoseconds since 1970. (`Date` needs a function that proxies do not have.) */
export function currentTimeNanoseconds(): u64 {
  return proxy_get_current_time_nanoseconds(OUT) == 0 ? load<u64>(OUT) : 0;
}

/** The same in milliseconds, as `Date.now()` counts. */
export function currentTimeMilliseconds(): u64 {
  return currentTimeNanoseconds() / 1000000;
}
