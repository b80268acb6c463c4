import { CalloutStatuses, HttpCallouts } from "../callouts.ts";
import { textOf } from "../byte-string.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import { grpcCalls, pairsOf } from "./grpc.ts";
import type { CallScope } from "./scope.ts";
import { statusCalls } from "./status.ts";

/** HTTP and gRPC callouts, and how the last one that failed did so. */
export function calloutCalls(scope: CallScope): Record<string, HostFunction> {
  const statuses = new CalloutStatuses();
  const callouts = new HttpCallouts(scope, statuses);
  return {
    proxy_http_call(
      cluster: number,
      clusterLength: number,
      headers: number,
      headersLength: number,
      body: number,
      bodyLength: number,
      trailers: number,
      trailersLength: number,
      timeoutMs: number,
      outToken: number,
    ): Status {
      const { memory } = scope;
      const name = memory.latin1(cluster, clusterLength);
      const content = memory.copy(body, bodyLength);
      const given = memory.view(headers, headersLength);
      const last = memory.view(trailers, trailersLength);
      if (name === undefined || content === undefined || given === undefined || last === undefined) {
        return Status.invalidMemoryAccess;
      }
      const request = {
        cluster: textOf(name),
        headers: pairsOf(scope, given, "the headers of proxy_http_call"),
        body: content,
        trailers: pairsOf(scope, last, "the trailers of proxy_http_call"),
        timeoutMs,
      };
      if (!memory.writeU32(outToken, 0)) return Status.invalidMemoryAccess;
      const started = callouts.send(request);
      if (typeof started === "number") return started;
      memory.writeU32(outToken, started.token);
      return Status.ok;
    },
    ...grpcCalls(scope, statuses),
    ...statusCalls(scope, statuses),
  };
}
