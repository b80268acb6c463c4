import type { ViaQuestion } from "../../../src/deploy/choose-via.ts";
import { VIAS } from "../../../src/deploy/request.ts";

/** Nothing is asked for in particular, the cluster serves every kind, and there is no node cache. */
export const PLAIN: ViaQuestion = {
  requested: "auto",
  delivery: "auto",
  config: undefined,
  phase: undefined,
  pullSecret: undefined,
  image: undefined,
  served: new Set(VIAS),
  noFiles: undefined,
};
