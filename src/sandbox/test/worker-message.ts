import type { Step } from "./model.ts";
import type { PlannedCase } from "./planned-case.ts";

/** What the thread that runs tests is asked. */
export type WorkerMessage =
  | { readonly kind: "modules"; readonly modules: ReadonlyMap<string, Uint8Array> }
  /** Runs a case; `live` posts everything it says as it comes. */
  | { readonly kind: "case"; readonly planned: PlannedCase; readonly live: boolean }
  /** Opens filters that stay. */
  | { readonly kind: "open"; readonly planned: PlannedCase }
  | { readonly kind: "step"; readonly step: Step };
