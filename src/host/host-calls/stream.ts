import { latin1 } from "../guest-memory.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import { readPairs } from "./headers.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** Going on, closing, and answering instead of the upstream. All of it happens when the callback has returned. */
export function streamCalls(scope: KernelScope): Record<string, HostFunction> {
  return {
    proxy_continue_stream(type: number): Status {
      return type >>> 0 > LAST_STREAM ? Status.badArgument : scope.context.continueStream(type);
    },
    proxy_close_stream(type: number): Status {
      return type >>> 0 > LAST_STREAM ? Status.badArgument : scope.context.closeStream(type);
    },
    proxy_send_local_response: sendLocalResponse(scope),
  };
}

function sendLocalResponse(scope: KernelScope): HostFunction {
  const { memory } = scope;
  return (
    status: number,
    detailsAt: number,
    detailsLength: number,
    bodyAt: number,
    bodyLength: number,
    headersAt: number,
    headersLength: number,
    grpcStatus: number,
  ): Status => {
    const details = memory.view(detailsAt, detailsLength);
    const body = memory.view(bodyAt, bodyLength);
    const headers = memory.view(headersAt, headersLength);
    if (details === undefined || body === undefined || headers === undefined) return Status.invalidMemoryAccess;
    const flat = readPairs(scope, headers, "proxy_send_local_response");
    scope.context.sendLocalResponse({
      status: status & 0xffff, // as Envoy keeps it
      body: body.slice(),
      headers: Array.from({ length: flat.length / 2 }, (_unused, at) => [flat[at * 2] ?? "", flat[at * 2 + 1] ?? ""]),
      grpcStatus: grpcStatus >= 0 && grpcStatus <= LAST_GRPC_STATUS ? grpcStatus : undefined,
      details: latin1(details).replaceAll(/[\t\n\v\f\r ]/gu, "_"),
    });
    scope.stopIteration();
    return Status.ok;
  };
}

const LAST_STREAM = 3;
const LAST_GRPC_STATUS = 16;
