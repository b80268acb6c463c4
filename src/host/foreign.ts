import { Status } from "./status.ts";

/**
 * A function guests call by name (`proxy_call_foreign_function`): the result, or the status when it fails. Must not throw.
 * The bytes given are the guest's own memory: they are not to be kept.
 */
export type ForeignFunction = (argument: Uint8Array) => Uint8Array | Exclude<Status, 0>;

/** Functions by name: Envoy's that need more than a browser has, and those of whoever embeds the host. */
export type ForeignFunctions = ReadonlyMap<string, ForeignFunction>;

/** Whether the function is one of Envoy's that this host does not have, for it evaluates no expressions. */
export function needsExpressions(name: string): boolean {
  return name === "expr_create" || name === "expr_evaluate" || name === "expr_delete";
}
