import { proxy_call_foreign_function } from "./host";
import { OUT, clearOut, nameOut, outSize, takeBytes, valueOut } from "./memory";
import { ok } from "./status";

/**
 * Calls a function that only this kind of proxy has (`compress`, `sign`, `clear_route_cache`, … in Envoy) with a
 * `string` or an `ArrayBuffer` in the form that function expects; `null` if it is unknown or refuses.
 */
export function callForeignFunction<T>(name: string, argument: T): ArrayBuffer | null {
  nameOut.setText(name);
  valueOut.set<T>(argument);
  clearOut();
  const status = proxy_call_foreign_function(
    nameOut.address,
    nameOut.size,
    valueOut.address,
    valueOut.size,
    OUT,
    outSize(),
  );
  return ok(status) ? takeBytes() : null;
}
