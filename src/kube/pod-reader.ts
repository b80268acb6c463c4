import type { ApiClient, ApiResponse } from "./client.ts";
import { Kinds } from "./kinds.ts";

/** A port of a pod. */
export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

/**
 * Asks pods by HTTP through the API server (`get pods/proxy`). Any status is an answer: 403 is RBAC's or the pod's, 503 a
 * port that the server cannot reach, since a loopback listener is out of its reach.
 */
export interface PodReader {
  /** `path` starts with a slash and may have a query. */
  get(target: PodPort, path: string, signal?: AbortSignal): Promise<ApiResponse>;
}

/** The reader over a client. */
export function podReader(client: ApiClient): PodReader {
  return {
    get: async ({ namespace, pod, port }, path, signal) => {
      const place = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}:${port}/proxy`;
      const [bare = "", query = ""] = path.split("?");
      const intent = { verb: "get", kind: Kinds.pod, namespace, name: pod };
      const request = {
        method: "GET",
        path: `${place}${bare}`,
        query: Object.fromEntries(new URLSearchParams(query)),
      } as const;
      return await client.call({ ...request, accept: "*/*", intent, idleMs: IDLE_MS }, signal);
    },
  };
}

/** A pod that says nothing for so long is not waited for. */
const IDLE_MS = 10_000;
