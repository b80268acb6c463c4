import { serveWorker } from "../../isolate/serve-worker.ts";
import { ModuleCache } from "./module-cache.ts";
import type { CaseMessage } from "./case-runner.ts";
import { runCase } from "./run-case.ts";

serveWorker(({ heartbeat, post }) => {
  let modules = new ModuleCache(new Map());
  return async (message): Promise<unknown> => {
    const asked = message as CaseMessage;
    switch (asked.kind) {
      case "modules":
        modules = new ModuleCache(asked.modules);
        return undefined;
      case "case":
        return await runCase(asked.planned, { modules, heartbeat, ...(asked.live ? { live: post } : {}) });
    }
  };
});
