import { textOf } from "../byte-string.ts";
import { needsExpressions } from "../foreign.ts";
import { envoyFilterState } from "../properties-filter-state.ts";
import { protoNumber, protoString, readProto } from "../proto.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope, GuestContext } from "./scope.ts";

/** What contexts declared of the properties their streams will set (`declare_property`): by name, whether read-only. */
export class DeclaredProperties {
  readonly #byContext = new WeakMap<GuestContext, Map<string, boolean>>();

  /** False when the context has declared that name before. */
  declare(context: GuestContext, name: string, readOnly: boolean): boolean {
    const declared = this.#byContext.get(context) ?? new Map<string, boolean>();
    if (declared.has(name)) return false;
    this.#byContext.set(context, declared.set(name, readOnly));
    return true;
  }

  readOnly(root: GuestContext, name: string): boolean {
    return this.#byContext.get(root)?.get(name) ?? false;
  }
}

/** Functions by name: Envoy's own, and what the environment gives (`foreign.ts`). */
export function foreignCalls(scope: CallScope, declared: DeclaredProperties): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    proxy_call_foreign_function(
      name: number,
      nameLength: number,
      argument: number,
      argumentLength: number,
      outResult: number,
      outLength: number,
    ): Status {
      const wanted = memory.latin1(name, nameLength);
      const bytes = memory.view(argument, argumentLength);
      if (wanted === undefined || bytes === undefined) return Status.invalidMemoryAccess;
      const result = call(scope, declared, textOf(wanted), bytes);
      if (result === undefined) return Status.notFound;
      const given = giveResult(scope, typeof result === "number" ? NOTHING : result, outResult, outLength);
      return given === Status.ok && typeof result === "number" ? result : given;
    },
  };
}

/** The function's answer; `undefined` when there is none of that name. */
function call(
  scope: CallScope,
  declared: DeclaredProperties,
  name: string,
  argument: Uint8Array,
): Uint8Array | Status | undefined {
  switch (name) {
    case "clear_route_cache":
      scope.context.clearRouteCache();
      return Status.ok;
    case "set_envoy_filter_state":
      return setFilterState(scope, argument);
    case "declare_property":
      return declareProperty(scope, declared, argument);
    default:
      if (scope.environment.foreign?.has(name) !== true && needsExpressions(name)) {
        scope.report(
          "unsupported-call",
          "warning",
          `the foreign function ${name} needs CEL, which this host does not have`,
        );
      }
      return scope.environment.foreign?.get(name)?.(argument);
  }
}

/** Result and length go where the guest wants them; it may want neither. A failure has an empty result. */
function giveResult(scope: CallScope, result: Uint8Array, outResult: number, outLength: number): Status {
  const { memory } = scope;
  let pointer = 0;
  if (outResult !== 0 && result.length > 0) {
    const allocated = memory.allocate(result.length);
    if (allocated === undefined) return Status.invalidMemoryAccess;
    allocated.bytes.set(result);
    ({ pointer } = allocated);
  }
  if (outResult !== 0 && !memory.writeU32(outResult, pointer)) return Status.invalidMemoryAccess;
  if (outLength !== 0 && !memory.writeU32(outLength, result.length)) return Status.invalidMemoryAccess;
  return Status.ok;
}

/** `SetEnvoyFilterStateArguments`: 1 the key, 2 the value as text. */
function setFilterState(scope: CallScope, argument: Uint8Array): Status {
  const fields = readProto(argument);
  const key = fields && protoString(fields, 1);
  const text = fields && protoString(fields, 2);
  if (key === undefined || text === undefined) return Status.badArgument;
  const value = envoyFilterState(key, text);
  if (value === "unknown") return Status.notFound;
  if (value === "invalid") return Status.badArgument;
  const { stream } = scope.context;
  if (stream === undefined) return Status.notFound;
  stream.filterState.set(key, { bytes: new TextEncoder().encode(value.stored), readOnly: false });
  return Status.ok;
}

/** `DeclarePropertyArguments`: 1 the name, 2 whether it can be set once only. The type does not change what is stored. */
function declareProperty(scope: CallScope, declared: DeclaredProperties, argument: Uint8Array): Status {
  const fields = readProto(argument);
  const name = fields && protoString(fields, 1);
  if (fields === undefined || name === undefined) return Status.badArgument;
  const isNew = declared.declare(scope.context, name, protoNumber(fields, 2) !== 0n);
  return isNew ? Status.ok : Status.badArgument;
}

const NOTHING = new Uint8Array(0);
