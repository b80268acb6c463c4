import { serveWorker } from "../../isolate/serve-worker.ts";
import type { FilterSession } from "./filter-session.ts";
import { ModuleCache } from "./module-cache.ts";
import { runCase } from "./run-case.ts";
import type { WorkerMessage } from "./worker-message.ts";

serveWorker(({ heartbeat, post }) => {
  let modules = new ModuleCache(new Map());
  let session: FilterSession | undefined;
  return async (message): Promise<unknown> => {
    const asked = message as WorkerMessage;
    switch (asked.kind) {
      case "modules":
        modules = new ModuleCache(asked.modules);
        return undefined;
      case "case":
        return await runCase(asked.planned, { modules, heartbeat, ...(asked.live ? { live: post } : {}) });
      case "open": {
        const { FilterSession: Session } = await import("./filter-session.ts");
        session = new Session(asked.planned, { modules, heartbeat });
        return await session.open();
      }
      case "step":
        return session?.step(asked.step);
    }
  };
});
