import { serveWorker } from "../isolate/serve-worker.ts";
import type { SmokeRequest } from "./smoke-result.ts";
import { runSmoke } from "./smoke-streams.ts";

// The thread in which an unknown filter may loop, trap or eat memory. It posts the name of each callback it enters.
serveWorker(
  ({ heartbeat, post }) =>
    (request) =>
      runSmoke(request as SmokeRequest, { heartbeat, onCallback: post }),
);
