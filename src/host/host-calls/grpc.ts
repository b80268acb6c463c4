import type { CalloutStatuses } from "../callouts.ts";
import { GrpcCalls, type GrpcRequest } from "../grpc-calls.ts";
import { type GrpcService, readGrpcService } from "../grpc-service.ts";
import { latin1 } from "../guest-memory.ts";
import { decodePairs } from "../pairs-codec.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope } from "./scope.ts";

/** gRPC calls and streams (`grpc-calls.ts`). */
export function grpcCalls(scope: CallScope, statuses: CalloutStatuses): Record<string, HostFunction> {
  const calls = new GrpcCalls(scope, statuses);
  const { memory } = scope;
  const start = (target: Target | undefined, unary: GrpcRequest["unary"] | "missing", outToken: number): Status => {
    if (target === undefined || unary === "missing") return Status.invalidMemoryAccess;
    if (target.service === undefined) {
      scope.report(
        "grpc-without-target",
        "fault",
        "a gRPC callout has a GrpcService message without a target: Envoy crashes",
      );
      return Status.badArgument;
    }
    const started = calls.start({ ...target, service: target.service, unary });
    if (typeof started === "number") return started;
    return memory.writeU32(outToken, started.token) ? Status.ok : Status.invalidMemoryAccess;
  };
  return {
    proxy_grpc_call(
      cluster: number,
      clusterLength: number,
      service: number,
      serviceLength: number,
      method: number,
      methodLength: number,
      metadata: number,
      metadataLength: number,
      message: number,
      messageLength: number,
      timeoutMs: number,
      outToken: number,
    ): Status {
      const places = [cluster, clusterLength, service, serviceLength, method, methodLength, metadata, metadataLength];
      const body = memory.copy(message, messageLength);
      const unary = body === undefined ? "missing" : { message: body, timeoutMs: timeoutMs >>> 0 };
      return start(targetOf(scope, places), unary, outToken);
    },
    proxy_grpc_stream(
      cluster: number,
      clusterLength: number,
      service: number,
      serviceLength: number,
      method: number,
      methodLength: number,
      metadata: number,
      metadataLength: number,
      outToken: number,
    ): Status {
      const places = [cluster, clusterLength, service, serviceLength, method, methodLength, metadata, metadataLength];
      return start(targetOf(scope, places), undefined, outToken);
    },
    proxy_grpc_send(token: number, message: number, length: number, endStream: number): Status {
      const bytes = memory.copy(message, length);
      return bytes === undefined ? Status.invalidMemoryAccess : calls.send(token >>> 0, bytes, endStream !== 0);
    },
    proxy_grpc_close: (token: number): Status => calls.close(token >>> 0),
    proxy_grpc_cancel: (token: number): Status => calls.cancel(token >>> 0),
  };
}

type Target = Omit<GrpcRequest, "service" | "unary"> & { readonly service: GrpcService | undefined };

/** Pointers and lengths of target, service, method and metadata, read; `undefined` when one is out of bounds. */
function targetOf(scope: CallScope, places: readonly number[]): Target | undefined {
  const views = [0, 2, 4, 6].map((at) => scope.memory.view(places[at] ?? 0, places[at + 1] ?? 0));
  const [target, service, method, metadata] = views;
  if (target === undefined || service === undefined || method === undefined || metadata === undefined) return undefined;
  return {
    service: readGrpcService(target),
    serviceName: latin1(service),
    methodName: latin1(method),
    metadata: pairsOf(scope, metadata, "the metadata of a gRPC call"),
  };
}

/** Pairs of a guest, flat. Malformed ones are none, as for Envoy, and are reported. */
export function pairsOf(scope: CallScope, bytes: Uint8Array, what: string): readonly string[] {
  const { flat, problem } = decodePairs(bytes);
  if (problem !== undefined) scope.report("malformed-pairs", "warning", `${what} are malformed: ${problem}`);
  return flat;
}
